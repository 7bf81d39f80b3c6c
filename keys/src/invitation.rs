//! An invitation: what a server's owner hands to somebody, once, so that a PC can join.
//!
//! Its text is `v6tun1:` and then, in base64url without padding (RFC 4648, section 5):
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | form of the endpoint: 0 text, 1 an IPv4 address and port |
//! | 4 | id |
//! | 5 | expiry, seconds since 1970-01-01 UTC, big-endian |
//! | 32 | the server's public key |
//! | 32 | the secret |
//! | 6, or up to 255 | the endpoint: address and port, big-endian, or the text `host:port` |
//! | 4 | the first bytes of SHA-256 of `v6tun1:` and everything above |
//!
//! The secret is never used as a key. HKDF-SHA256 (RFC 5869; salt `v6tun invitation v1`) makes from it
//! the private key of a throw-away peer and a preshared key. `info` is `private-key` or
//! `preshared-key`, the server's public key and the id, so that neither serves with another server or
//! as another invitation. The server keeps the public half and the preshared key, never the secret.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::{self, FromStr};

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::invitation_id::ID_LEN;
use crate::{InvitationId, KEY_LEN, PresharedKey, PrivateKey, PublicKey};
use reader::Reader;

mod error;
mod reader;
#[cfg(test)]
mod tests;
mod text;

pub use error::InvitationError;

const SALT: &[u8] = b"v6tun invitation v1";
const INFO_PRIVATE_KEY: &[u8] = b"private-key";
const INFO_PRESHARED_KEY: &[u8] = b"preshared-key";

const FORM_TEXT: u8 = 0;
const FORM_IPV4: u8 = 1;
const EXPIRES_LEN: usize = 5;
const IPV4_LEN: usize = 6;
/// The longest endpoint, bytes of its text: a DNS name may have 253.
const MAX_ENDPOINT_LEN: usize = 255;
/// Bytes before the endpoint.
const HEAD_LEN: usize = 1 + ID_LEN + EXPIRES_LEN + KEY_LEN + KEY_LEN;
/// Bytes without the checksum, at the most.
const MAX_BODY_LEN: usize = HEAD_LEN + MAX_ENDPOINT_LEN;

/// A one-time invitation to one server. `Debug` does not show its secret.
pub struct Invitation {
    /// Where the server is, `host:port` as its owner wrote it; at most 255 bytes of visible ASCII.
    pub endpoint: String,
    /// The server's public key.
    pub server: PublicKey,
    /// What the invitation is called.
    pub id: InvitationId,
    /// Until when it can be used, seconds since 1970-01-01 UTC. Only the server's clock judges that.
    pub expires: u64,
    secret: Zeroizing<[u8; KEY_LEN]>,
}

/// The WireGuard identity that an invitation stands for: good for enrolling, and for nothing else.
#[derive(Debug)]
pub struct ThrowAway {
    /// The key of the throw-away peer.
    pub private_key: PrivateKey,
    /// What its handshakes are mixed with.
    pub preshared_key: PresharedKey,
}

impl Invitation {
    /// A new invitation with a random id and secret, until `expires` (seconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// [`InvitationError::Unusable`] for an endpoint that is no `host:port`, a server key of low order
    /// or an expiry beyond the year 36,000; [`InvitationError::Random`] if the system gives no random bytes.
    pub fn new(endpoint: &str, server: PublicKey, expires: u64) -> Result<Self, InvitationError> {
        let mut id = [0; ID_LEN];
        let mut secret = Zeroizing::new([0; KEY_LEN]);
        getrandom::fill(&mut id).map_err(InvitationError::Random)?;
        getrandom::fill(secret.as_mut_slice()).map_err(InvitationError::Random)?;
        let id = InvitationId::from_bytes(id);
        Self { endpoint: endpoint.to_owned(), server, id, expires, secret }.checked()
    }

    /// The text that the other side pastes: 119 characters for an IPv4 endpoint. It is the secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        text::encode(&self.to_body())
    }

    /// The identity to enrol with, the same on both sides.
    #[must_use]
    pub fn identity(&self) -> ThrowAway {
        let hkdf = Hkdf::<Sha256>::new(Some(SALT), self.secret.as_slice());
        let expand = |info: &[u8]| {
            let mut key = Zeroizing::new([0; KEY_LEN]);
            let info = [info, self.server.as_bytes(), self.id.as_bytes()];
            hkdf.expand_multi_info(&info, key.as_mut_slice()).expect("HKDF-SHA256 gives up to 8160 bytes");
            key
        };
        ThrowAway {
            private_key: PrivateKey::from_bytes(*expand(INFO_PRIVATE_KEY)),
            preshared_key: PresharedKey::from_bytes(*expand(INFO_PRESHARED_KEY)),
        }
    }

    fn checked(self) -> Result<Self, InvitationError> {
        let unusable = |what| Err(InvitationError::Unusable { what });
        if !is_endpoint(&self.endpoint) {
            return unusable("its endpoint is no host:port");
        }
        if self.server.is_low_order() {
            return unusable("its server key is one that nobody can own");
        }
        if self.expires >> (8 * EXPIRES_LEN) != 0 {
            return unusable("it would end after the year 36,000");
        }
        Ok(self)
    }

    fn to_body(&self) -> Zeroizing<Vec<u8>> {
        // All at once: a vector that grows leaves copies behind.
        let mut body = Zeroizing::new(Vec::with_capacity(MAX_BODY_LEN));
        let ipv4 = ipv4_form(&self.endpoint);
        body.push(if ipv4.is_some() { FORM_IPV4 } else { FORM_TEXT });
        body.extend_from_slice(self.id.as_bytes());
        body.extend_from_slice(&self.expires.to_be_bytes()[8 - EXPIRES_LEN..]);
        body.extend_from_slice(self.server.as_bytes());
        body.extend_from_slice(self.secret.as_slice());
        match &ipv4 {
            Some(bytes) => body.extend_from_slice(bytes),
            None => body.extend_from_slice(self.endpoint.as_bytes()),
        }
        body
    }

    /// `None` where a part is missing, or of a form that is not known here.
    fn from_body(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let [form] = reader.array()?;
        let id = InvitationId::from_bytes(reader.array()?);
        let mut expires = [0; 8];
        expires[8 - EXPIRES_LEN..].copy_from_slice(&reader.array::<EXPIRES_LEN>()?);
        let server = PublicKey::from_bytes(reader.array()?);
        let secret = Zeroizing::new(reader.array()?);
        let endpoint = read_endpoint(form, reader.rest())?;
        Some(Self { endpoint, server, id, expires: u64::from_be_bytes(expires), secret })
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    /// Reads an invitation as people paste it: with the command before it, in quotes, broken into lines.
    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let body = text::decode(text)?;
        let unusable = InvitationError::Unusable { what: "it does not hold what an invitation holds" };
        Self::from_body(&body).ok_or(unusable)?.checked()
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation")
            .field("endpoint", &self.endpoint)
            .field("server", &self.server)
            .field("id", &self.id)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Whether this has the form of `host:port`. Whether anybody is there, and whether the host is a name or
/// an address at all, is for whoever connects.
fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_port =
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port != 0);
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_port && visible && !host.is_empty() && text.len() <= MAX_ENDPOINT_LEN
}

/// The short form of an endpoint that is an IPv4 address and port, if its text comes back from it.
fn ipv4_form(endpoint: &str) -> Option<[u8; IPV4_LEN]> {
    let address: SocketAddrV4 = endpoint.parse().ok()?;
    let [a, b, c, d] = address.ip().octets();
    let [high, low] = address.port().to_be_bytes();
    (address.to_string() == endpoint).then_some([a, b, c, d, high, low])
}

fn read_endpoint(form: u8, bytes: &[u8]) -> Option<String> {
    match form {
        FORM_TEXT => str::from_utf8(bytes).ok().map(str::to_owned),
        FORM_IPV4 => {
            let [a, b, c, d, high, low] = bytes.try_into().ok()?;
            let port = u16::from_be_bytes([high, low]);
            Some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port).to_string())
        }
        _ => None,
    }
}
