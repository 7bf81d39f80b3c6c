//! The server's end: many peers, each with one lease.
//!
//! A peer's lease and its stay are two things. The stay begins with the first authenticated data
//! message and ends with a bye or when the session expires; the lease stays on the host from its
//! first use to the server's stop.
//!
//! ```text
//!            authenticated data             handle_lease_ready
//!   Unused ----------------------> Pending --------------------> Ready
//!            LeaseNeeded             |  ^   lease sent, held packets released
//!                                    |  |
//!                handle_lease_failed |  | authenticated data, 5 s later at the earliest
//!                       refusal sent v  |
//!                                   Failed
//!
//!   Pending -> Pending: authenticated data after 5 s without either; LeaseNeeded again
//! ```
//!
//! Clients come, go and change while it runs (`roster`). Beside them there are visitors (`visitor`, `enrol`):
//! whoever shows the throw-away key of an invitation may ask to become a client, and nothing else.

mod enrol;
mod from_network;
mod path_mtu;
mod peer;
mod peer_table;
mod provisional;
mod reachability;
mod revival;
mod roster;
mod unknown_keys;
mod visitor;

use crate::admission::Admission;
use crate::batch::{DatagramBatch, Outputs};
use crate::control::{Envelope, Message, Nonce};
use crate::event::Record;
use crate::limits::{ADMISSION_SOURCES, MAX_PACKET, MIN_MTU, SESSION_TICK};
use crate::packet::{Ecn, Ipv6Packet, MssClamp};
use crate::session::{Identity, SessionError, Tick};
use crate::timer::{after, earliest};
use crate::{Deadline, DeadlineReason, DropReason, RefusalReason, ServerEvent, Stats, filter};
use peer::{Peer, Terms};
use peer_table::PeerTable;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::HashMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};
use unknown_keys::UnknownKeys;
use v6tun_keys::{PresharedKey, PrivateKey, PublicKey};

use visitor::Visitors;

pub use enrol::EnrolAnswer;
pub use peer::LeaseState;
pub use visitor::VisitorId;

/// What a server is made from.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The server's key.
    pub private_key: PrivateKey,
    /// Who may have a session; keys and addresses are distinct.
    pub clients: Vec<ClientEntry>,
    /// Where clients were when this server ran last: they are called back.
    pub endpoints: Vec<(PublicKey, SocketAddr)>,
    /// Who may ask to become a client, open invitations and ended ones.
    pub invitations: Vec<InvitationEntry>,
    /// The greatest inner packet in bytes that the server's own link allows; 1280 at the least.
    pub mtu_ceiling: u16,
    /// How long a client may be idle before it sends a heartbeat; zero: for ever.
    pub keepalive: Duration,
    /// The server's version, told to clients.
    pub version: (u16, u16, u16),
    /// Seeds the choice of receiver indices.
    pub seed: u64,
}

/// A client that may have a session.
#[derive(Debug, Clone)]
pub struct ClientEntry {
    /// Its name, for events and status.
    pub name: String,
    /// Its key.
    pub public_key: PublicKey,
    /// The key shared beside the handshake's, if any.
    pub preshared_key: Option<PresharedKey>,
    /// The address that it is lent, as [`lease::assign`](crate::lease::assign) decides.
    pub address: Ipv6Addr,
}

/// An invitation, by what is derived from its secret. Whether it is still open is for whoever answers the
/// [request](ServerEvent::EnrolRequested): one that has ended has a place here too, so that its visitors hear why
/// they are refused.
#[derive(Debug, Clone)]
pub struct InvitationEntry {
    /// The throw-away key.
    pub public_key: PublicKey,
    /// What its handshakes are made with.
    pub preshared_key: PresharedKey,
}

/// One client as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The client's name.
    pub name: String,
    /// The client's key.
    pub public_key: PublicKey,
    /// The client's lease.
    pub address: Ipv6Addr,
    /// Where the client is, while it is there.
    pub endpoint: Option<SocketAddr>,
    /// The time since the last handshake that was completed.
    pub latest_handshake: Option<Duration>,
    /// Bytes of outer UDP payload received and authenticated.
    pub rx_bytes: u64,
    /// Bytes of outer UDP payload sent.
    pub tx_bytes: u64,
    /// Whether the host carries the lease.
    pub lease: LeaseState,
    /// The greatest packet that the path to the client carries, in bytes, as the client has measured it.
    pub mtu: Option<u16>,
    /// Whether the client has sent a control message, as a stock WireGuard peer never does.
    pub speaks_control: bool,
}

/// The server's end of all its clients' tunnels.
pub struct ServerTunnel {
    identity: Identity,
    peers: PeerTable,
    visitors: Visitors,
    admission: Admission,
    unknown_keys: UnknownKeys,
    terms: Terms,
    /// The datagram by which a client is to test our port.
    port_test: Option<Nonce>,
    rng: StdRng,
    record: Record<ServerEvent>,
    /// While any session lives.
    next_tick: Option<Instant>,
    /// While any client is called back.
    next_call: Option<Instant>,
    /// Who was where, of those that are remembered.
    former: HashMap<SocketAddr, PublicKey>,
}

impl ServerTunnel {
    /// A server that nobody has spoken to.
    pub fn new(config: ServerConfig, now: Instant) -> Self {
        let terms = Terms {
            mtu: config.mtu_ceiling.max(MIN_MTU),
            keepalive: u16::try_from(config.keepalive.as_secs()).unwrap_or(u16::MAX),
            version: config.version,
        };
        let mut visitors = Visitors::default();
        config.invitations.into_iter().for_each(|invitation| visitors.invite(invitation));
        let mut peers = PeerTable::new(config.clients);
        let mut former = HashMap::new();
        for (client, endpoint) in config.endpoints {
            if let Some(peer) = peers.by_key(&client).and_then(|place| peers.get_mut(place)) {
                peer.remember(endpoint);
                former.insert(endpoint, client);
            }
        }
        let mut tunnel = Self {
            identity: Identity::new(&config.private_key),
            peers,
            visitors,
            admission: Admission::new(ADMISSION_SOURCES, now),
            unknown_keys: UnknownKeys::default(),
            terms,
            port_test: None,
            rng: StdRng::seed_from_u64(config.seed),
            record: Record::new(),
            next_tick: None,
            next_call: None,
            former,
        };
        tunnel.call_all_back(now);
        tunnel
    }

    /// Takes a UDP payload from the network, whose header said `ecn` of congestion.
    pub fn handle_datagram(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        ecn: Ecn,
        out: &mut Outputs<'_>,
        now: Instant,
    ) {
        let first = out.to_tun.len();
        let handled = self.receive(source, datagram, out, now);
        self.record.settle(handled.and_then(|()| out.to_tun.hand_on_ecn(first, ecn)));
    }

    /// Takes a packet from the tun.
    pub fn handle_packet(&mut self, packet: &[u8], out: &mut Outputs<'_>, now: Instant) {
        let handled = self.forward(packet, out, now);
        self.record.settle(handled);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, out: &mut Outputs<'_>, now: Instant) {
        self.call_back(out.to_network, now);
        if self.next_tick.is_none_or(|at| now < at) {
            return;
        }
        self.identity.refresh();
        self.visitors.expire(now);
        for place in self.peers.places() {
            self.tick(place, out.to_network);
            self.expire_provisional(place, now);
            self.tell_again(place, out.to_network, now);
        }
        let is_needed = self.peers.has_sessions() || !self.visitors.is_empty();
        self.next_tick = is_needed.then(|| after(now, SESSION_TICK));
    }

    /// The host carries that client's lease: answers the client and releases what was held.
    pub fn handle_lease_ready(&mut self, client: PublicKey, out: &mut Outputs<'_>, now: Instant) {
        let Some(place) = self.peers.by_key(&client) else { return };
        let terms = self.terms;
        let Some(peer) = self.peers.get_mut(place) else { return };
        let released = peer.lease_ready(now);
        let answer = peer.responder.grant(terms.of(peer.entry.address));
        for packet in released {
            if !out.to_tun.push(&packet) {
                self.record.count(DropReason::BatchFull);
            }
        }
        self.send_control(place, answer, out.to_network);
    }

    /// The host could not bring that client's lease up: refuses the client, which is asked for
    /// again after 5 s at the earliest.
    pub fn handle_lease_failed(&mut self, client: PublicKey, out: &mut Outputs<'_>, now: Instant) {
        let Some(place) = self.peers.by_key(&client) else { return };
        let Some(peer) = self.peers.get_mut(place) else { return };
        self.record.count_all(DropReason::LeaseFailed, peer.lease_failed(now));
        let answer = peer.responder.refuse(RefusalReason::HostFailed);
        self.send_control(place, answer, out.to_network);
    }

    /// Says bye to each client that has spoken control.
    pub fn handle_stop(&mut self, out: &mut Outputs<'_>, _now: Instant) {
        for place in self.peers.places() {
            if self.peers.get_mut(place).is_some_and(|peer| peer.responder.speaks()) {
                let bye = Envelope { request_id: 0, message: Message::Bye { pause: None } };
                self.send_control(place, Some(bye), out.to_network);
            }
        }
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.record.poll_event()
    }

    /// When `handle_timeout` is wanted; `None` while no session lives and nobody is called.
    pub fn next_deadline(&self) -> Option<Deadline> {
        earliest(&[
            (self.next_call, DeadlineReason::Handshake),
            (self.next_tick, DeadlineReason::SessionTick),
        ])
    }

    /// Every client.
    pub fn status(&self, now: Instant) -> Vec<PeerStatus> {
        self.peers.iter().map(|peer| peer.status(now)).collect()
    }

    /// What was dropped.
    pub fn stats(&self) -> &Stats {
        &self.record.stats
    }

    fn forward(&mut self, bytes: &[u8], out: &mut Outputs<'_>, now: Instant) -> Result<(), DropReason> {
        if bytes.len() > MAX_PACKET {
            return Err(DropReason::PacketTooLong);
        }
        let packet = Ipv6Packet::parse(bytes)?;
        filter::check_to_client(&packet)?;
        let place = self.peers.by_address(&packet.destination()).ok_or(DropReason::NoSuchLease)?;
        let peer = self.peers.get_mut(place).ok_or(DropReason::NoSuchLease)?;
        peer.path.check(&packet, out.to_tun, now)?;
        let first = out.to_network.len();
        let sent = match MssClamp::of(&packet, peer.path.mtu().unwrap_or(self.terms.mtu)) {
            None => peer.send(bytes, out.to_network),
            Some(clamp) => peer.send(clamp.copy(bytes, &mut [0; MAX_PACKET]), out.to_network),
        };
        out.to_network.carry_ecn(first, bytes);
        let is_doubtful = sent.is_ok() && peer.path.is_doubtful(bytes.len(), now);
        sent.map_err(|error| self.failed(place, error))?;
        if is_doubtful {
            let wanted = Envelope { request_id: 0, message: Message::ProbeWanted };
            self.send_control(place, Some(wanted), out.to_network);
        }
        Ok(())
    }

    fn send_control(&mut self, place: usize, envelope: Option<Envelope>, to_network: &mut DatagramBatch) {
        let Some(peer) = self.peers.get_mut(place) else { return };
        let Some(envelope) = envelope else { return };
        if let Err(error) = peer.send_control(&envelope, to_network) {
            let reason = self.failed(place, error);
            self.record.count(reason);
        }
    }

    /// From now on there is a session whose clock is to be looked at.
    fn wake_sessions(&mut self, now: Instant) {
        self.next_tick.get_or_insert(after(now, SESSION_TICK));
    }

    fn tick(&mut self, place: usize, to_network: &mut DatagramBatch) {
        let Some(peer) = self.peers.get_mut(place) else { return };
        // A full batch is sent and the engine asked again a quarter of a second later.
        let Some(slot) = to_network.slot() else { return };
        let Some(session) = peer.session.as_mut() else { return };
        let ticked = session.tick(slot);
        if let Ok(Tick::Send(len)) = ticked {
            self.record.settle(peer.commit_to_endpoint(to_network, len));
        }
        let drained = if peer.has_queued() { peer.send_queued(to_network) } else { Ok(()) };
        if ticked == Ok(Tick::Expired) {
            self.left(place);
        }
        if let Err(error) = ticked.map_err(SessionError::from).and(drained) {
            let reason = self.failed(place, error);
            self.record.count(reason);
        }
    }

    /// Tells a client that has not agreed to the change of its lease of it again.
    fn tell_again(&mut self, place: usize, to_network: &mut DatagramBatch, now: Instant) {
        let terms = self.terms;
        let Some(peer) = self.peers.get_mut(place).filter(|peer| peer.can_be_told()) else { return };
        let notice = peer.responder.tell_again(terms.of(peer.entry.address), now);
        self.send_control(place, notice, to_network);
    }

    /// The end of a client's stay: no keys, no memory of it but its lease.
    fn left(&mut self, place: usize) {
        self.close_session(place);
        if let Some(peer) = self.peers.get_mut(place) {
            let before = peer.remembered;
            peer.leave(&mut self.record);
            self.note_whereabouts(place, before);
        }
    }

    /// Who has said bye is not called back.
    fn forget_whereabouts(&mut self, place: usize) {
        if let Some(peer) = self.peers.get_mut(place) {
            let before = peer.remembered;
            peer.forget();
            self.note_whereabouts(place, before);
        }
    }

    fn close_session(&mut self, place: usize) {
        let abandoned = self.peers.close_session(place);
        self.record.count_all(DropReason::NoSession, abandoned);
    }

    fn failed(&mut self, place: usize, error: SessionError) -> DropReason {
        match error {
            SessionError::Dropped(reason) => reason,
            SessionError::Panicked => {
                self.close_session(place);
                if let Some(Peer { entry, .. }) = self.peers.get_mut(place) {
                    self.record.tell(ServerEvent::SessionPanicked { name: entry.name.clone() });
                }
                DropReason::SessionPanicked
            }
        }
    }
}

#[cfg(test)]
mod tests;
