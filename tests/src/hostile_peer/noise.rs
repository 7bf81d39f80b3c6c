//! WireGuard's handshake from the initiator's side, and the session that it yields, with every key in hand
//! (Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", section 5.4).

use std::time::{SystemTime, UNIX_EPOCH};

use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput as _, KeyInit as _, Update as _};
use blake2::{Blake2s256, Blake2sMac, Digest as _};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hmac::SimpleHmac;
use v6tun_keys::{KeyError, PrivateKey, PublicKey};
use x25519_dalek::x25519;

const CONSTRUCTION: &[u8] = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
const IDENTIFIER: &[u8] = b"WireGuard v1 zx2c4 Jason@zx2c4.com";
const LABEL_MAC1: &[u8] = b"mac1----";
/// TAI64's label of 1970-01-01, and the ten leap seconds that TAI was ahead by then.
const TAI64_EPOCH: u64 = (1 << 62) + 10;

/// Bytes of a handshake initiation.
pub const INITIATION_LEN: usize = 148;
/// Bytes of a handshake response.
pub const RESPONSE_LEN: usize = 92;
/// Bytes of a cookie reply.
pub const COOKIE_REPLY_LEN: usize = 64;
/// Bytes of a data message around its packet: header and tag.
pub const DATA_OVERHEAD: usize = 32;

type Bytes32 = [u8; 32];

/// An initiation that waits for its response.
#[derive(Debug)]
pub struct Handshake {
    own: PrivateKey,
    ephemeral: PrivateKey,
    index: u32,
    state: State,
}

/// The chaining key and hash of the Noise protocol.
#[derive(Clone, Debug)]
struct State {
    chaining_key: Bytes32,
    hash: Bytes32,
}

/// The keys and indices of an established session, and the next counter to send.
#[derive(Clone, Debug)]
pub struct Session {
    /// The index by which the server knows this session.
    pub receiver: u32,
    own_index: u32,
    send: Bytes32,
    receive: Bytes32,
    next_counter: u64,
}

impl Handshake {
    /// Starts a handshake with the owner of `server`, by this machine's clock.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn start(own: &PrivateKey, server: &PublicKey) -> Result<(Self, [u8; INITIATION_LEN]), KeyError> {
        let ephemeral = PrivateKey::generate()?;
        let ephemeral_public = *ephemeral.public_key().as_bytes();
        // Random, as it should be, and seen in the message anyhow.
        let [a, b, c, d, ..] = ephemeral_public;
        let index = u32::from_le_bytes([a, b, c, d]);
        let mut state = State::new(server);
        state.mix(&ephemeral_public);
        let key = state.mix_dh(x25519(*ephemeral.as_bytes(), *server.as_bytes()));
        let sealed_static = state.seal(&key, own.public_key().as_bytes());
        let key = state.mix_dh(x25519(*own.as_bytes(), *server.as_bytes()));
        let sealed_timestamp = state.seal(&key, &tai64n());

        let mut message = [0; INITIATION_LEN];
        message[0] = 1;
        message[4..8].copy_from_slice(&index.to_le_bytes());
        message[8..40].copy_from_slice(&ephemeral_public);
        message[40..88].copy_from_slice(&sealed_static);
        message[88..116].copy_from_slice(&sealed_timestamp);
        let mac = mac1(server, &message[..116]);
        message[116..132].copy_from_slice(&mac);
        Ok((Self { own: own.clone(), ephemeral, index, state }, message))
    }

    /// Takes the response; `None` if it is not the answer to this initiation.
    #[must_use]
    pub fn finish(self, response: &[u8]) -> Option<Session> {
        let Self { own, ephemeral, index, mut state } = self;
        let valid = response.len() == RESPONSE_LEN
            && response[..4] == [2, 0, 0, 0]
            && response[8..12] == index.to_le_bytes();
        if !valid {
            return None;
        }
        let receiver = u32::from_le_bytes(response[4..8].try_into().ok()?);
        let remote: Bytes32 = response[12..44].try_into().ok()?;
        state.mix(&remote);
        state.mix_dh(x25519(*ephemeral.as_bytes(), remote));
        state.mix_dh(x25519(*own.as_bytes(), remote));
        let [chaining_key, temporary, key] = derive(&state.chaining_key, &[0; 32]);
        state.chaining_key = chaining_key;
        state.hash = hash(&[&state.hash, &temporary]);
        open(&key, 0, &response[44..60], &state.hash)?;
        let [send, receive, _] = derive(&state.chaining_key, &[]);
        Some(Session { receiver, own_index: index, send, receive, next_counter: 0 })
    }
}

impl State {
    fn new(server: &PublicKey) -> Self {
        let chaining_key = hash(&[CONSTRUCTION]);
        let named = hash(&[&chaining_key, IDENTIFIER]);
        Self { chaining_key, hash: hash(&[&named, server.as_bytes()]) }
    }

    /// Mixes an ephemeral public key into both.
    fn mix(&mut self, public: &Bytes32) {
        self.hash = hash(&[&self.hash, public]);
        let [chaining_key, ..] = derive(&self.chaining_key, public);
        self.chaining_key = chaining_key;
    }

    /// Mixes a shared secret in, and yields a key.
    fn mix_dh(&mut self, secret: Bytes32) -> Bytes32 {
        let [chaining_key, key, _] = derive(&self.chaining_key, &secret);
        self.chaining_key = chaining_key;
        key
    }

    fn seal(&mut self, key: &Bytes32, text: &[u8]) -> Vec<u8> {
        let sealed = seal(key, 0, text, &self.hash);
        self.hash = hash(&[&self.hash, &sealed]);
        sealed
    }
}

impl Session {
    /// The data message that carries `packet` under the next counter.
    pub fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let datagram = self.seal_at(self.next_counter, packet);
        self.next_counter += 1;
        datagram
    }

    /// The data message that carries `packet` under `counter`, padded as the paper says.
    #[must_use]
    pub fn seal_at(&self, counter: u64, packet: &[u8]) -> Vec<u8> {
        let mut padded = packet.to_vec();
        padded.resize(packet.len().next_multiple_of(16), 0);
        let mut message = data_header(self.receiver, counter);
        message.extend(seal(&self.send, counter, &padded, &[]));
        message
    }

    /// What a data message to this peer carries; `None` if it is no such message.
    #[must_use]
    pub fn open(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let (header, sealed) = datagram.split_at_checked(16)?;
        if header[..4] != [4, 0, 0, 0] || header[4..8] != self.own_index.to_le_bytes() {
            return None;
        }
        let counter = u64::from_le_bytes(header[8..16].try_into().ok()?);
        open(&self.receive, counter, sealed, &[])
    }
}

/// The header of a data message, which says nothing that has to be true.
#[must_use]
pub fn data_header(receiver: u32, counter: u64) -> Vec<u8> {
    let mut header = vec![4, 0, 0, 0];
    header.extend(receiver.to_le_bytes());
    header.extend(counter.to_le_bytes());
    header
}

/// The mac1 over `message`, which anybody can make who knows the server's public key.
#[must_use]
pub fn mac1(server: &PublicKey, message: &[u8]) -> [u8; 16] {
    let key = hash(&[LABEL_MAC1, server.as_bytes()]);
    let mut mac =
        <Blake2sMac<U16> as blake2::digest::KeyInit>::new_from_slice(&key).expect("32 bytes are a key");
    mac.update(message);
    mac.finalize_fixed().into()
}

fn hash(parts: &[&[u8]]) -> Bytes32 {
    let mut hash = Blake2s256::new();
    for part in parts {
        blake2::Digest::update(&mut hash, part);
    }
    hash.finalize().into()
}

/// The paper's Kdf3; Kdf1 and Kdf2 are its first outputs.
fn derive(key: &Bytes32, input: &[u8]) -> [Bytes32; 3] {
    let secret = hmac(key, &[input]);
    let first = hmac(&secret, &[&[1]]);
    let second = hmac(&secret, &[&first, &[2]]);
    let third = hmac(&secret, &[&second, &[3]]);
    [first, second, third]
}

fn hmac(key: &Bytes32, parts: &[&[u8]]) -> Bytes32 {
    let mut hmac = SimpleHmac::<Blake2s256>::new_from_slice(key).expect("any length is a key");
    for part in parts {
        hmac.update(part);
    }
    hmac.finalize_fixed().into()
}

fn seal(key: &Bytes32, counter: u64, msg: &[u8], aad: &[u8]) -> Vec<u8> {
    let cipher = ChaCha20Poly1305::new(key.into());
    cipher.encrypt(&nonce(counter), Payload { msg, aad }).expect("a message of less than 256 GiB")
}

fn open(key: &Bytes32, counter: u64, msg: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    ChaCha20Poly1305::new(key.into()).decrypt(&nonce(counter), Payload { msg, aad }).ok()
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}

fn tai64n() -> [u8; 12] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut label = [0; 12];
    label[..8].copy_from_slice(&(TAI64_EPOCH + now.as_secs()).to_be_bytes());
    label[8..].copy_from_slice(&now.subsec_nanos().to_be_bytes());
    label
}

#[cfg(test)]
mod tests {
    use boringtun::noise::{Tunn, TunnResult};
    use boringtun::x25519;

    use super::*;

    /// A responder that other people wrote, and a session with it.
    fn session_with_boringtun() -> (Session, Tunn) {
        let (own, server) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        let (secret, peer) = (x25519::StaticSecret::from(*server.as_bytes()), *own.public_key().as_bytes());
        let mut responder = Tunn::new(secret, x25519::PublicKey::from(peer), None, None, 7, None);
        let (handshake, initiation) = Handshake::start(&own, &server.public_key()).unwrap();
        let mut buffer = [0; 2048];
        let TunnResult::WriteToNetwork(response) = responder.decapsulate(None, &initiation, &mut buffer)
        else {
            panic!("boringtun takes no initiation of ours");
        };
        (handshake.finish(response).expect("a response"), responder)
    }

    #[test]
    fn boringtun_understands_what_is_sealed_here_and_the_other_way_round() {
        let (mut session, mut responder) = session_with_boringtun();
        let packet = super::super::packet::echo_request(
            "2001:db8::1".parse().unwrap(),
            "2001:db8::2".parse().unwrap(),
            3,
        );
        let mut buffer = [0; 2048];
        let sealed = session.seal(&packet);
        let TunnResult::WriteToTunnelV6(opened, _) = responder.decapsulate(None, &sealed, &mut buffer) else {
            panic!("boringtun does not open what is sealed here");
        };
        assert_eq!(opened, packet);
        let TunnResult::WriteToNetwork(datagram) = responder.encapsulate(&packet, &mut buffer) else {
            panic!("boringtun has no session");
        };
        let opened = session.open(datagram).expect("authentic");
        assert_eq!(opened[..packet.len()], packet);
        assert_eq!(session.open(&datagram[..datagram.len() - 1]), None);
    }

    #[test]
    fn a_response_to_another_initiation_is_no_session() {
        let server = PrivateKey::generate().unwrap().public_key();
        let (handshake, _) = Handshake::start(&PrivateKey::generate().unwrap(), &server).unwrap();
        assert!(handshake.finish(&[2; RESPONSE_LEN]).is_none());
    }
}
