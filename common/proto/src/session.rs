//! The WireGuard engine, boringtun's `noise`, behind guards. No other file names it.
//!
//! What the guards are for:
//!
//! - The engine panics where its output buffer is too small: outputs here are whole slots by
//!   type, and inputs longer than a slot can answer are dropped by [`Datagram`](crate::datagram).
//! - It panics where the system's clock steps back, and perhaps elsewhere: a panic is caught and
//!   costs the one session that it happened in.
//! - It cuts a decrypted packet to the length in the packet's header: what was cut off must be
//!   WireGuard's padding, at most 15 zero bytes.
//! - Its rate limiter counts a handshake message at each look, and each is looked at twice (once
//!   before the sender's key is worked out, once inside the session): the limit is doubled.
//! - It discards what waits for keys, without a word, beyond a bound and where it gives up: what
//!   waits is counted here and kept below that bound.
//! - It gives up for ever after 90 s of unanswered handshakes: that is [`Tick::Expired`], and the
//!   caller's to repair.

use crate::DropReason;
use crate::limits::{
    DATA_OVERHEAD, HANDSHAKES_PER_SECOND, MAX_PACKET, MAX_PADDING, MAX_WAITING_PACKETS, SLOT,
};
use boringtun::noise::errors::WireGuardError;
use boringtun::noise::handshake::parse_handshake_anon;
use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Packet, Tunn, TunnResult};
use boringtun::x25519;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use v6tun_keys::{PresharedKey, PrivateKey, PublicKey};

/// Our key pair, and what is asked of a handshake message before any session sees it.
pub(crate) struct Identity {
    secret: x25519::StaticSecret,
    public: x25519::PublicKey,
    /// Never under load: it tells whether a mac1 is right and counts nothing that matters.
    mac: RateLimiter,
    /// Counts the messages of all sources, and asks for cookies beyond the limit.
    load: Arc<RateLimiter>,
}

/// What the load of all sources together means for a handshake message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// It may be worked on.
    Fair,
    /// It must be repeated with the cookie, of that many bytes, that lies in the slot.
    Cookie(usize),
}

impl Identity {
    pub(crate) fn new(key: &PrivateKey) -> Self {
        let secret = x25519::StaticSecret::from(*key.as_bytes());
        let public = x25519::PublicKey::from(&secret);
        let mac = RateLimiter::new(&public, u64::MAX);
        let load = Arc::new(RateLimiter::new(&public, HANDSHAKES_PER_SECOND.saturating_mul(2)));
        Self { secret, public, mac, load }
    }

    /// Whether the sender of a handshake initiation or response knows our public key.
    pub(crate) fn verifies_mac(&self, source: IpAddr, datagram: &[u8]) -> bool {
        let mut unused = [0; SLOT];
        guarded(|| self.mac.verify_packet(Some(source), datagram, &mut unused).is_ok()).unwrap_or(false)
    }

    /// Counts a handshake message whose mac1 is right.
    ///
    /// # Errors
    /// Why the message is dropped without an answer.
    pub(crate) fn weigh(
        &self,
        source: IpAddr,
        datagram: &[u8],
        slot: &mut [u8; SLOT],
    ) -> Result<Load, DropReason> {
        let verdict = guarded(|| match self.load.verify_packet(Some(source), datagram, slot) {
            Ok(_) => Ok(Load::Fair),
            Err(TunnResult::WriteToNetwork(cookie)) => Ok(Load::Cookie(cookie.len())),
            Err(_) => Err(DropReason::HandshakeBadMac),
        });
        verdict.unwrap_or(Err(DropReason::HandshakeRefused))
    }

    /// The public key that a handshake initiation claims; its sender has proved nothing yet.
    pub(crate) fn claimed_key(&self, initiation: &[u8]) -> Option<PublicKey> {
        let half = guarded(|| match Tunn::parse_incoming_packet(initiation) {
            Ok(Packet::HandshakeInit(message)) => {
                parse_handshake_anon(&self.secret, &self.public, &message).ok()
            }
            _ => None,
        });
        half.ok().flatten().map(|half| PublicKey::from_bytes(half.peer_static_public))
    }

    /// Begins a new second, where one has passed.
    pub(crate) fn refresh(&self) {
        // A clock that stepped back panics in there; the count then lasts a little longer.
        let _ = guarded(|| self.load.reset_count());
    }

    /// An engine for one peer. The upper 24 bits of all its receiver indices are `index`.
    pub(crate) fn session(&self, peer: &Peer<'_>, index: u32) -> Session {
        let engine = Tunn::new(
            self.secret.clone(),
            x25519::PublicKey::from(*peer.public_key.as_bytes()),
            peer.preshared_key.map(|key| *key.as_bytes()),
            peer.keepalive.map(keepalive_seconds),
            index,
            Some(Arc::clone(&self.load)),
        );
        Session { engine: Box::new(engine), index, waiting: 0 }
    }
}

/// Whom a session is with.
pub(crate) struct Peer<'a> {
    pub(crate) public_key: &'a PublicKey,
    pub(crate) preshared_key: Option<&'a PresharedKey>,
    /// WireGuard's own persistent keepalive.
    pub(crate) keepalive: Option<Duration>,
}

/// The engine does not take 0 for off, and counts in whole seconds.
fn keepalive_seconds(keepalive: Duration) -> u16 {
    u16::try_from(keepalive.as_secs()).unwrap_or(u16::MAX)
}

/// One peer's engine: its handshake in progress, its keys, and packets that wait for them.
pub(crate) struct Session {
    engine: Box<Tunn>,
    index: u32,
    /// Packets in the engine's queue, but for the empty ones that it puts there by itself.
    waiting: usize,
}

/// What a handshake message came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// The peer is who it should be; that many bytes lie in the slot as an answer, perhaps none.
    Accepted(usize),
    /// Too many messages: the slot holds a cookie of that many bytes, and nothing is proved.
    Cookie(usize),
}

/// An authenticated data message that was not received before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plaintext {
    /// It carries nothing.
    Keepalive,
    /// That many bytes in the slot are an IPv6 packet, by version and length.
    Packet(usize),
    /// What it carries is dropped. Its sender is proved all the same.
    Unfit(DropReason),
}

/// What the passing of time came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    /// Nothing is to be sent.
    Idle,
    /// That many bytes in the slot are to be sent.
    Send(usize),
    /// The engine has given up and does nothing more by itself.
    Expired,
}

/// The engine panicked: the session must be dropped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SessionError {
    /// The message is dropped.
    Dropped(DropReason),
    /// The session must be dropped.
    Panicked,
}

impl From<Panicked> for SessionError {
    fn from(Panicked: Panicked) -> Self {
        Self::Panicked
    }
}

impl Session {
    /// The upper 24 bits of this session's receiver indices.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Whether there are keys to send with.
    pub(crate) fn has_keys(&self) -> bool {
        guarded(|| self.engine.time_since_last_handshake().is_some()).unwrap_or(false)
    }

    /// Takes a handshake initiation, a response or a cookie reply.
    pub(crate) fn receive_handshake(
        &mut self,
        source: IpAddr,
        datagram: &[u8],
        slot: &mut [u8; SLOT],
    ) -> Result<Handshake, SessionError> {
        let answer = guarded(|| match self.engine.decapsulate(Some(source), datagram, slot) {
            TunnResult::WriteToNetwork(message) if message.first() == Some(&3) => {
                Ok(Handshake::Cookie(message.len()))
            }
            TunnResult::WriteToNetwork(message) => Ok(Handshake::Accepted(message.len())),
            TunnResult::Done => Ok(Handshake::Accepted(0)),
            TunnResult::Err(WireGuardError::WrongKey) => Err(DropReason::UnknownKey),
            TunnResult::Err(WireGuardError::WrongTai64nTimestamp) => Err(DropReason::HandshakeOutdated),
            _ => Err(DropReason::HandshakeRefused),
        })?;
        answer.map_err(SessionError::Dropped)
    }

    /// Takes a data message that [`Datagram::classify`](crate::datagram::Datagram::classify)
    /// let pass, and decrypts it into the slot.
    pub(crate) fn receive_data(
        &mut self,
        source: IpAddr,
        datagram: &[u8],
        slot: &mut [u8; SLOT],
    ) -> Result<Plaintext, SessionError> {
        let plaintext = guarded(|| match self.engine.decapsulate(Some(source), datagram, slot) {
            TunnResult::Done => Ok(Plaintext::Keepalive),
            TunnResult::WriteToTunnelV6(packet, _) => Ok(Plaintext::Packet(packet.len())),
            TunnResult::WriteToTunnelV4(..) => Ok(Plaintext::Unfit(DropReason::NotIpv6)),
            // Said of a well-formed message only after its tag was found right.
            TunnResult::Err(WireGuardError::InvalidPacket) => {
                Ok(Plaintext::Unfit(DropReason::PacketMalformed))
            }
            TunnResult::Err(error) => Err(data_drop_reason(&error)),
            TunnResult::WriteToNetwork(_) => Err(DropReason::HandshakeRefused),
        })?;
        match plaintext.map_err(SessionError::Dropped)? {
            Plaintext::Packet(len) => Ok(check_padding(slot, len, datagram.len())),
            Plaintext::Unfit(DropReason::PacketMalformed) if !is_version_6(slot) => {
                Ok(Plaintext::Unfit(DropReason::NotIpv6))
            }
            other => Ok(other),
        }
    }

    /// Encrypts a packet into the slot. `None` where there are no keys: the packet waits for a
    /// session. Where the engine began a handshake for it, that initiation is in the slot.
    pub(crate) fn send(
        &mut self,
        packet: &[u8],
        slot: &mut [u8; SLOT],
    ) -> Result<Option<usize>, SessionError> {
        if packet.len() > MAX_PACKET {
            return Err(SessionError::Dropped(DropReason::PacketTooLong));
        }
        // A handshake is in progress then: the first of those that wait has begun it.
        if self.waiting >= MAX_WAITING_PACKETS && !self.has_keys() {
            return Err(SessionError::Dropped(DropReason::QueueFull));
        }
        let len = guarded(|| written(self.engine.encapsulate(packet, slot)))?;
        if !len.is_some_and(|len| is_data(slot, len)) {
            self.waiting = self.waiting.saturating_add(1);
        }
        Ok(len)
    }

    /// Encrypts the next packet that waited for a session; `None` when there are no more.
    pub(crate) fn send_queued(&mut self, slot: &mut [u8; SLOT]) -> Result<Option<usize>, Panicked> {
        let len = guarded(|| written(self.engine.decapsulate(None, &[], slot)))?;
        if len.is_some_and(|len| len > DATA_OVERHEAD && is_data(slot, len)) {
            self.waiting = self.waiting.saturating_sub(1);
        }
        Ok(len)
    }

    /// Gives the number of packets that waited and never will be sent: the session is dropped, or
    /// the engine has given up.
    pub(crate) fn abandon_waiting(&mut self) -> usize {
        std::mem::take(&mut self.waiting)
    }

    /// Writes a handshake initiation into the slot; unless forced, only if none is in progress.
    pub(crate) fn initiate(
        &mut self,
        forced: bool,
        slot: &mut [u8; SLOT],
    ) -> Result<Option<usize>, Panicked> {
        guarded(|| written(self.engine.format_handshake_initiation(slot, forced)))
    }

    /// Lets the engine look at its clock.
    pub(crate) fn tick(&mut self, slot: &mut [u8; SLOT]) -> Result<Tick, Panicked> {
        guarded(|| match self.engine.update_timers(slot) {
            TunnResult::WriteToNetwork(message) => Tick::Send(message.len()),
            TunnResult::Err(WireGuardError::ConnectionExpired) => Tick::Expired,
            _ => Tick::Idle,
        })
    }
}

fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    // What the call was working on is dropped by the caller, or holds no state that can be torn.
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Panicked)
}

fn written(result: TunnResult<'_>) -> Option<usize> {
    match result {
        TunnResult::WriteToNetwork(message) => Some(message.len()),
        _ => None,
    }
}

/// Whether the engine wrote a data message, and not a handshake for want of keys.
fn is_data(slot: &[u8; SLOT], len: usize) -> bool {
    slot.get(..len).and_then(<[u8]>::first) == Some(&4)
}

fn data_drop_reason(error: &WireGuardError) -> DropReason {
    match error {
        WireGuardError::DuplicateCounter | WireGuardError::InvalidCounter => DropReason::Replayed,
        WireGuardError::WrongIndex | WireGuardError::NoCurrentSession => DropReason::NoSession,
        _ => DropReason::NotAuthentic,
    }
}

/// The packet ends where its header says; the rest of the message must be padding.
fn check_padding(slot: &[u8; SLOT], packet_len: usize, datagram_len: usize) -> Plaintext {
    let payload_len = datagram_len.saturating_sub(DATA_OVERHEAD);
    let padding = slot.get(packet_len..payload_len).unwrap_or_default();
    if padding.len() > MAX_PADDING || padding.iter().any(|byte| *byte != 0) {
        return Plaintext::Unfit(DropReason::LengthMismatch);
    }
    // Padding makes room for a few bytes more than a packet may have.
    if packet_len > MAX_PACKET {
        return Plaintext::Unfit(DropReason::PacketTooLong);
    }
    Plaintext::Packet(packet_len)
}

fn is_version_6(slot: &[u8; SLOT]) -> bool {
    slot.first().is_some_and(|byte| byte >> 4 == 6)
}
