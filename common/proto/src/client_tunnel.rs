//! The client's end: one server, one lease.
//!
//! ```text
//!                  handshake                lease
//!   Connecting ----------------> Leasing ----------> Up <--------------+
//!        |                                            |  |             |
//!        |     handshake (the address is configured)  |  | no answer   | a heartbeat's answer,
//!        +--------------------------------------------+  | in 2 s, or  | or a handshake if the
//!                                                        | a bye       | address is configured
//!                                                        v             |
//!                                                       Lost ----------+
//! ```
//!
//! In `Connecting` and `Lost` handshakes are tried for ever (`reconnect`). In `Up` the server
//! is probed by heartbeats (`liveness`), unless the address is configured: then the server may
//! be a stock WireGuard one, is sent no control, and is lost when WireGuard's own handshakes
//! have gone unanswered for 90 s.
//!
//! That is what a client does for the purpose of a lease. One that enrols another key goes no further than
//! `Leasing`, where it repeats its request (`enrol`) until that is answered; one that knocks stops there.

mod enrol;
mod from_network;
mod liveness;
mod path_mtu;
mod reconnect;
mod state;
mod to_network;

use crate::admission::Admission;
use crate::batch::Outputs;
use crate::control::{Ends, Envelope, Message, Requester, SERVER_LINK_LOCAL, client_link_local};
use crate::endpoint::Endpoint;
use crate::event::Record;
use crate::limits::{CLIENT_ADMISSION_SOURCES, MAX_PACKET, REJECT_AFTER, SESSION_TICK};
use crate::packet::{Ecn, TooBig};
use crate::path_mtu::PathMtu;
use crate::session::{self, Identity, Session, SessionError};
use crate::timer::{after, earliest};
use crate::{ClientEvent, Deadline, DeadlineReason, DropReason, Lease, LossReason, Stats};
use liveness::Liveness;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reconnect::Reconnect;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

pub use state::{ClientConfig, ClientState, ClientTunnelStatus, Purpose};

/// The client's end of its tunnel.
pub struct ClientTunnel {
    identity: Identity,
    config: ClientConfig,
    ends: Ends,
    session: Session,
    endpoint: Endpoint,
    admission: Admission,
    reconnect: Reconnect,
    requester: Requester,
    liveness: Liveness,
    path_mtu: PathMtu,
    too_big: TooBig,
    /// The greatest packet that the server's side takes, in bytes.
    server_mtu: u16,
    /// That the path is too small for IPv6 was told.
    is_path_too_small: bool,
    state: ClientState,
    lease: Option<Lease>,
    started: Instant,
    next_tick: Instant,
    /// When it is said next that nothing answers; until the first handshake is answered.
    complain_at: Option<Instant>,
    /// Until when a round-trip time is waited for before it is said that we are connected.
    connected_by: Option<Instant>,
    /// The test of our reachability that is under way.
    inbound_test: Option<u32>,
    lost_at: Option<Instant>,
    /// The server began the last handshake; its first data message completes it.
    is_responder: bool,
    /// A response to a handshake of ours came and did not fit our keys.
    is_refused: bool,
    has_queued: bool,
    server_speaks: bool,
    latest_handshake: Option<Instant>,
    rtt: Option<Duration>,
    rx_bytes: u64,
    tx_bytes: u64,
    rng: StdRng,
    record: Record<ClientEvent>,
}

impl ClientTunnel {
    /// A client whose first handshake is due at once.
    pub fn new(config: ClientConfig, now: Instant) -> Self {
        let identity = Identity::new(&config.private_key);
        let mut rng = StdRng::seed_from_u64(config.seed);
        let ours = client_link_local(&config.private_key.public_key());
        let mut reconnect = Reconnect::default();
        reconnect.start(now);
        Self {
            session: open_session(&identity, &config, &mut rng),
            ends: Ends { ours, theirs: SERVER_LINK_LOCAL },
            endpoint: Endpoint::at(config.endpoint),
            admission: Admission::new(CLIENT_ADMISSION_SOURCES, now),
            reconnect,
            requester: Requester::new(),
            liveness: Liveness::new(config.own_keepalive.unwrap_or(config.keepalive), now),
            path_mtu: Self::unknown_path(&config),
            too_big: TooBig::default(),
            server_mtu: MAX_PACKET as u16,
            is_path_too_small: false,
            state: ClientState::Connecting,
            lease: None,
            started: now,
            next_tick: after(now, SESSION_TICK),
            complain_at: Some(after(now, FIRST_COMPLAINT)),
            connected_by: None,
            inbound_test: None,
            lost_at: None,
            is_responder: false,
            is_refused: false,
            has_queued: false,
            server_speaks: false,
            latest_handshake: None,
            rtt: None,
            rx_bytes: 0,
            tx_bytes: 0,
            rng,
            record: Record::new(),
            identity,
            config,
        }
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
        self.leave_dead_keys(now);
        let handled = self.forward(packet, out, now);
        self.record.settle(handled);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, out: &mut Outputs<'_>, now: Instant) {
        let to_network = &mut *out.to_network;
        self.leave_dead_keys(now);
        if now >= self.next_tick {
            self.next_tick = after(now, SESSION_TICK);
            let ticked = self.tick(to_network, now);
            self.record.settle(ticked);
        }
        if self.reconnect.due().is_some_and(|due| now >= due) {
            let initiated = self.initiate(true, to_network, now);
            self.record.settle(initiated);
            if self.state == ClientState::Lost && self.session.has_keys() {
                // On a line that loses much the next heartbeat may come through where the handshake does not.
                self.liveness.probe(now);
            }
        }
        self.pursue_request(to_network, now);
        if self.state == ClientState::Up || self.state == ClientState::Lost {
            self.watch_server(to_network, now);
        }
        if self.path_mtu.due().is_some_and(|due| now >= due) {
            self.pursue_probes(to_network, now);
        }
        if self.connected_by.take_if(|by| now >= *by).is_some() {
            self.record.tell(ClientEvent::Connected { rtt: None });
        }
        if self.complain_at.is_some_and(|at| now >= at) {
            self.complain_at = Some(after(now, NEXT_COMPLAINT));
            let after = now.saturating_duration_since(self.started);
            self.record.tell(ClientEvent::NoAnswer { after, is_refused: self.is_refused });
        }
    }

    /// Says bye, if the server has spoken control.
    pub fn handle_stop(&mut self, out: &mut Outputs<'_>, now: Instant) {
        if self.server_speaks {
            let bye =
                Envelope { request_id: self.requester.next_id(), message: Message::Bye { pause: None } };
            let sent = self.send_control(&bye, out.to_network, now);
            self.record.settle(sent);
        }
    }

    /// Our own network has changed, or slept: a handshake is due at once, and the path is measured anew. The link to the
    /// server leaves `mtu_ceiling` bytes of a packet now.
    pub fn handle_link_change(&mut self, mtu_ceiling: u16, now: Instant) {
        self.set_mtu_ceiling(mtu_ceiling);
        self.measure_path(now);
        self.reconnect.start(now);
    }

    /// Asks the server to try to reach us, at that TCP port as well if there is one. A server that does not know that
    /// answers nothing.
    pub fn request_inbound_test(
        &mut self,
        tcp_port: Option<NonZeroU16>,
        out: &mut Outputs<'_>,
        now: Instant,
    ) {
        if !self.server_speaks {
            return;
        }
        let request_id = self.requester.next_id();
        self.inbound_test = Some(request_id);
        let message = Message::InboundTest { tcp_port: tcp_port.map_or(0, NonZeroU16::get) };
        let sent = self.send_control(&Envelope { request_id, message }, out.to_network, now);
        self.record.settle(sent);
    }

    /// The server's name was resolved anew: a handshake is due at once if the address differs. The link to it leaves
    /// `mtu_ceiling` bytes of a packet.
    pub fn set_endpoint(&mut self, endpoint: SocketAddr, mtu_ceiling: u16, now: Instant) {
        if self.endpoint.address() != Some(endpoint) {
            self.set_mtu_ceiling(mtu_ceiling);
            self.endpoint.set(endpoint);
            self.config.endpoint = endpoint;
            self.reconnect.start(now);
        }
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.record.poll_event()
    }

    /// When `handle_timeout` is wanted; always some time.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let watches = matches!(self.state, ClientState::Up | ClientState::Lost) && !self.is_stock();
        earliest(&[
            (self.reconnect.due(), DeadlineReason::Handshake),
            (self.requester.due(), DeadlineReason::Request),
            (self.visit_doubted_at(), DeadlineReason::Handshake),
            (self.liveness.due().filter(|_| watches), DeadlineReason::Heartbeat),
            (self.path_mtu.due(), DeadlineReason::PathMtu),
            (self.connected_by, DeadlineReason::Connected),
            (self.complain_at, DeadlineReason::NoAnswer),
            (Some(self.next_tick), DeadlineReason::SessionTick),
        ])
    }

    /// How it stands.
    pub fn status(&self, now: Instant) -> ClientTunnelStatus {
        ClientTunnelStatus {
            state: self.state,
            lease: self.lease,
            endpoint: self.server_address(),
            latest_handshake: self.latest_handshake.map(|at| now.saturating_duration_since(at)),
            rtt: self.rtt,
            rx_bytes: self.rx_bytes,
            tx_bytes: self.tx_bytes,
        }
    }

    /// What was dropped.
    pub fn stats(&self) -> &Stats {
        &self.record.stats
    }

    fn set_mtu_ceiling(&mut self, mtu_ceiling: u16) {
        self.config.mtu_ceiling = mtu_ceiling;
        self.path_mtu.set_ceiling(mtu_ceiling);
        self.keep_to_path();
    }

    /// Whether the server may be one that does not know control.
    fn is_stock(&self) -> bool {
        self.config.address.is_some()
    }

    fn server_address(&self) -> SocketAddr {
        self.endpoint.address().unwrap_or(self.config.endpoint)
    }

    /// `since` is when the first thing was sent that the server did not answer.
    fn lost(&mut self, reason: LossReason, since: Instant, now: Instant) {
        if self.state == ClientState::Up {
            self.state = ClientState::Lost;
            self.lost_at = Some(since);
            self.record.tell(ClientEvent::Lost { reason });
        }
        if !self.reconnect.is_running() {
            self.reconnect.start(now);
        }
    }

    fn returned(&mut self, rtt: Option<Duration>, now: Instant) {
        self.state = ClientState::Up;
        let lost_at = self.lost_at.take().unwrap_or(now);
        let outage = now.saturating_duration_since(lost_at);
        self.record.tell(ClientEvent::Returned { rtt, outage });
    }

    /// Whoever has slept finds keys that nobody takes any more, which the engine would go on using. A packet rather waits
    /// for new ones.
    fn leave_dead_keys(&mut self, now: Instant) {
        let has_slept = now.saturating_duration_since(self.next_tick) >= OVERSLEPT;
        let age = self.latest_handshake.map(|at| now.saturating_duration_since(at));
        if has_slept && age.is_some_and(|age| age >= REJECT_AFTER) && self.session.has_keys() {
            self.renew_session();
            self.reconnect.start(now);
        }
    }

    fn renew_session(&mut self) {
        self.abandon_waiting();
        self.session = open_session(&self.identity, &self.config, &mut self.rng);
        self.endpoint.forget_sessions();
    }

    fn received(&mut self, len: usize) {
        self.rx_bytes = self.rx_bytes.saturating_add(len as u64);
    }

    /// A panic costs the session: it is made anew, and the next handshake is due at once.
    fn failed(&mut self, error: SessionError, now: Instant) -> DropReason {
        match error {
            SessionError::Dropped(reason) => reason,
            SessionError::Panicked => {
                self.renew_session();
                self.lost(LossReason::SessionPanicked, now, now);
                DropReason::SessionPanicked
            }
        }
    }
}

/// A tick that comes so late was slept through.
const OVERSLEPT: Duration = Duration::from_secs(1);
/// Nothing has answered for so long after the start: the user is told.
const FIRST_COMPLAINT: Duration = Duration::from_secs(3);
/// And again after each of these.
const NEXT_COMPLAINT: Duration = Duration::from_secs(60);

fn open_session(identity: &Identity, config: &ClientConfig, rng: &mut StdRng) -> Session {
    let wanted = config.own_keepalive.unwrap_or(config.keepalive);
    let keepalive = config.address.map(|_| wanted).filter(|keepalive| !keepalive.is_zero());
    let server =
        session::Peer { public_key: &config.server, preshared_key: config.preshared_key.as_ref(), keepalive };
    identity.session(&server, rng.random_range(0..1 << 24))
}

#[cfg(test)]
mod tests;
