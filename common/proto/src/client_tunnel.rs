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
//! In `Connecting` and `Lost` handshakes are tried for ever ([`reconnect`]). In `Up` the server
//! is probed by heartbeats ([`liveness`]), unless the address is configured: then the server may
//! be a stock WireGuard one, is sent no control, and is lost when WireGuard's own handshakes
//! have gone unanswered for 90 s.

mod liveness;
mod reconnect;

use crate::admission::Admission;
use crate::batch::{DatagramBatch, Outputs};
use crate::control::{
    ControlBuffer, Ends, Envelope, LeaseTerms, Message, Requester, SERVER_LINK_LOCAL, client_link_local,
};
use crate::datagram::Datagram;
use crate::endpoint::{self, Endpoint};
use crate::event::Record;
use crate::limits::{
    CLIENT_ADMISSION_SOURCES, MAX_PACKET, MAX_PAUSE, MAX_QUEUED_PACKETS, MIN_MTU, REKEY_AFTER, SESSION_TICK,
};
use crate::packet::Ipv6Packet;
use crate::session::{self, Handshake, Identity, Plaintext, Session, SessionError, Tick};
use crate::timer::{after, earliest};
use crate::{
    ClientEvent, Deadline, DeadlineReason, DropReason, Lease, LossReason, RefusalReason, Stats, filter,
};
use liveness::{Liveness, Verdict};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reconnect::Reconnect;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};
use v6tun_keys::{PresharedKey, PrivateKey, PublicKey};

/// What a client is made from.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The client's key.
    pub private_key: PrivateKey,
    /// The server's key.
    pub server: PublicKey,
    /// The key shared beside the handshake's, if any.
    pub preshared_key: Option<PresharedKey>,
    /// Where the server is expected.
    pub endpoint: SocketAddr,
    /// The address, for a server that leases none; no control is then sent or understood.
    pub address: Option<Ipv6Addr>,
    /// How long the tunnel may be idle while no server has said otherwise; zero: for ever.
    pub keepalive: Duration,
    /// The greatest inner packet in bytes that the client's own link allows; 1280 at the least.
    pub mtu_ceiling: u16,
    /// Seeds the receiver index and the jitter of tries.
    pub seed: u64,
}

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientState {
    /// No handshake was answered yet.
    Connecting,
    /// There is a session, and no lease yet.
    Leasing,
    /// There is a lease, and the server answers.
    Up,
    /// The server does not answer any more.
    Lost,
}

impl ClientState {
    /// The state in kebab-case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Leasing => "leasing",
            Self::Up => "up",
            Self::Lost => "lost",
        }
    }
}

/// A client as `status` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTunnelStatus {
    /// How far it has come.
    pub state: ClientState,
    /// What it holds, also while the server is lost.
    pub lease: Option<Lease>,
    /// Where the server is.
    pub endpoint: SocketAddr,
    /// The time since the last handshake that was completed.
    pub latest_handshake: Option<Duration>,
    /// The last round-trip time that was measured.
    pub rtt: Option<Duration>,
    /// Bytes of outer UDP payload received and authenticated.
    pub rx_bytes: u64,
    /// Bytes of outer UDP payload sent.
    pub tx_bytes: u64,
}

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
    state: ClientState,
    lease: Option<Lease>,
    started: Instant,
    next_tick: Instant,
    /// When it is said next that nothing answers; until the first handshake is answered.
    complain_at: Option<Instant>,
    /// Until when a round-trip time is waited for before it is said that we are connected.
    connected_by: Option<Instant>,
    lost_at: Option<Instant>,
    /// The server began the last handshake; its first data message completes it.
    is_responder: bool,
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
            liveness: Liveness::new(config.keepalive, now),
            state: ClientState::Connecting,
            lease: None,
            started: now,
            next_tick: after(now, SESSION_TICK),
            complain_at: Some(after(now, FIRST_COMPLAINT)),
            connected_by: None,
            lost_at: None,
            is_responder: false,
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

    /// Takes a UDP payload from the network.
    pub fn handle_datagram(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut Outputs<'_>,
        now: Instant,
    ) {
        let handled = self.receive(source, datagram, out, now);
        self.record.settle(handled);
    }

    /// Takes a packet from the tun.
    pub fn handle_packet(&mut self, packet: &[u8], out: &mut Outputs<'_>, now: Instant) {
        let handled = self.forward(packet, out.to_network, now);
        self.record.settle(handled);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, out: &mut Outputs<'_>, now: Instant) {
        let to_network = &mut *out.to_network;
        if now >= self.next_tick {
            self.next_tick = after(now, SESSION_TICK);
            let ticked = self.tick(to_network, now);
            self.record.settle(ticked);
        }
        if self.reconnect.due().is_some_and(|due| now >= due) {
            let initiated = self.initiate(true, to_network, now);
            self.record.settle(initiated);
        }
        self.pursue_lease(to_network, now);
        if self.state == ClientState::Up || self.state == ClientState::Lost {
            self.watch_server(to_network, now);
        }
        if self.connected_by.take_if(|by| now >= *by).is_some() {
            self.record.tell(ClientEvent::Connected { rtt: None });
        }
        if self.complain_at.is_some_and(|at| now >= at) {
            self.complain_at = Some(after(now, NEXT_COMPLAINT));
            let after = now.saturating_duration_since(self.started);
            self.record.tell(ClientEvent::NoAnswer { after });
        }
    }

    /// Says bye, if the server has spoken control.
    pub fn handle_stop(&mut self, out: &mut Outputs<'_>, _now: Instant) {
        if self.server_speaks {
            let bye =
                Envelope { request_id: self.requester.next_id(), message: Message::Bye { pause: None } };
            let sent = self.send_control(&bye, out.to_network);
            self.record.settle(sent);
        }
    }

    /// Our own network has changed, or slept: a handshake is due at once.
    pub fn handle_link_change(&mut self, now: Instant) {
        self.reconnect.start(now);
    }

    /// The server's name was resolved anew: a handshake is due at once if the address differs.
    pub fn set_endpoint(&mut self, endpoint: SocketAddr, now: Instant) {
        if self.endpoint.address() != Some(endpoint) {
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
            (self.requester.due(), DeadlineReason::LeaseRequest),
            (self.liveness.due().filter(|_| watches), DeadlineReason::Heartbeat),
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

    /// Whether the server may be one that does not know control.
    fn is_stock(&self) -> bool {
        self.config.address.is_some()
    }

    fn server_address(&self) -> SocketAddr {
        self.endpoint.address().unwrap_or(self.config.endpoint)
    }

    fn receive(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut Outputs<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        endpoint::check_source(source)?;
        match Datagram::classify(datagram)? {
            Datagram::Data { receiver, counter } => {
                self.receive_data(source, datagram, (receiver, counter), out, now)
            }
            Datagram::CookieReply { .. } => {
                self.receive_handshake(source, datagram, out.to_network, now).map(drop)
            }
            kind => {
                if !self.identity.verifies_mac(source.ip().to_canonical(), datagram) {
                    return Err(DropReason::HandshakeBadMac);
                }
                let answer_len = self.receive_handshake(source, datagram, out.to_network, now)?;
                if kind == Datagram::Initiation {
                    self.is_responder = true;
                    self.commit(out.to_network, answer_len, source);
                    return Ok(());
                }
                // The server has proved that it is there, not that it is where this came from.
                self.is_responder = false;
                self.commit(out.to_network, answer_len, self.server_address());
                self.rtt = self.session.handshake_rtt().filter(|_| self.is_stock()).or(self.rtt);
                self.established(out.to_network, now)
            }
        }
    }

    /// Gives the length of the answer that lies in the free slot.
    fn receive_handshake(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<usize, DropReason> {
        let address = source.ip().to_canonical();
        self.admission.admit(address, now)?;
        self.identity.refresh();
        let slot = to_network.slot().ok_or(DropReason::BatchFull)?;
        match self.session.receive_handshake(address, datagram, slot) {
            Ok(Handshake::Accepted(len)) => {
                self.received(datagram.len());
                Ok(len)
            }
            Ok(Handshake::Cookie(len)) => {
                self.commit(to_network, len, source);
                Err(DropReason::HandshakeUnderLoad)
            }
            Err(error) => Err(self.failed(error, now)),
        }
    }

    /// There are new keys, and the server has them too.
    fn established(&mut self, to_network: &mut DatagramBatch, now: Instant) -> Result<(), DropReason> {
        self.latest_handshake = Some(now);
        self.reconnect.stop();
        self.complain_at = None;
        self.liveness.heard(now);
        let drained = self.send_queued(to_network, now);
        match (self.config.address, self.state) {
            (Some(address), ClientState::Connecting) => {
                let lease = self.stock_lease(address);
                self.lease = Some(lease);
                self.state = ClientState::Up;
                self.record.tell(ClientEvent::LeaseGranted(lease));
                self.record.tell(ClientEvent::Connected { rtt: self.rtt });
            }
            (Some(_), ClientState::Lost) => self.returned(self.rtt, now),
            (None, ClientState::Connecting | ClientState::Leasing) => {
                self.state = ClientState::Leasing;
                self.requester.start(now);
            }
            // A server that was started anew may lend another address than before.
            (None, ClientState::Lost) => {
                self.requester.start(now);
                self.liveness.probe(now);
                self.watch_server(to_network, now);
            }
            (_, ClientState::Up) | (Some(_), ClientState::Leasing) => {}
        }
        self.pursue_lease(to_network, now);
        drained
    }

    fn stock_lease(&self, address: Ipv6Addr) -> Lease {
        let mtu = self.config.mtu_ceiling.max(MIN_MTU);
        Lease { address, mtu, keepalive: self.config.keepalive, server_version: None }
    }

    fn receive_data(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        (receiver, counter): (u32, u64),
        out: &mut Outputs<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        if receiver >> 8 != self.session.index() {
            return Err(DropReason::NoSession);
        }
        let slot = out.to_tun.slot().ok_or(DropReason::BatchFull)?;
        let plaintext = match self.session.receive_data(source.ip().to_canonical(), datagram, slot) {
            Ok(plaintext) => plaintext,
            Err(error) => return Err(self.failed(error, now)),
        };
        self.received(datagram.len());
        self.liveness.heard(now);
        let sighting = self.endpoint.learn(source, receiver, counter);
        if let Some(from) = sighting.moved_from {
            self.record.tell(ClientEvent::EndpointMoved { from, to: source });
        }
        if sighting.is_new_session && std::mem::take(&mut self.is_responder) {
            self.established(out.to_network, now)?;
        }
        match plaintext {
            Plaintext::Keepalive => Ok(()),
            Plaintext::Unfit(reason) => Err(reason),
            Plaintext::Packet(len) => self.receive_packet(len, out, now),
        }
    }

    /// Takes the packet that lies decrypted at the front of the tun's free slot.
    fn receive_packet(&mut self, len: usize, out: &mut Outputs<'_>, now: Instant) -> Result<(), DropReason> {
        let bytes = out.to_tun.slot().and_then(|slot| slot.get(..len)).ok_or(DropReason::BatchFull)?;
        let packet = Ipv6Packet::parse(bytes)?;
        if !self.is_stock() && self.ends.takes(&packet) {
            let envelope = self.ends.open(&packet)?;
            return self.receive_control(envelope, out.to_network, now);
        }
        let lease = self.lease.ok_or(DropReason::NoLease)?;
        filter::check_from_server(&packet, lease.address)?;
        out.to_tun.commit(len);
        Ok(())
    }

    fn receive_control(
        &mut self,
        envelope: Envelope,
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        self.server_speaks = true;
        match envelope.message {
            Message::Lease(terms) if self.requester.accept(envelope.request_id) => {
                self.take_lease(&terms, to_network, now);
            }
            Message::Refused { reason } if self.requester.refused(envelope.request_id, now) => {
                self.record.tell(ClientEvent::LeaseRefused { reason });
            }
            Message::LeaseChanged(terms) => {
                self.take_lease(&terms, to_network, now);
                let accepted = Envelope { message: Message::LeaseAccepted, ..envelope };
                self.send_control(&accepted, to_network)?;
            }
            Message::HeartbeatReply => self.heartbeat_answered(envelope.request_id, now)?,
            Message::Bye { pause } => self.server_said_bye(pause, now),
            _ => return Err(DropReason::ControlUnexpected),
        }
        Ok(())
    }

    fn take_lease(&mut self, terms: &LeaseTerms, to_network: &mut DatagramBatch, now: Instant) {
        let new = Lease {
            address: terms.address,
            mtu: terms.mtu.min(self.config.mtu_ceiling).max(MIN_MTU),
            keepalive: terms.keepalive(),
            server_version: Some(terms.server_version),
        };
        self.liveness.set_keepalive(new.keepalive);
        match self.lease.replace(new) {
            None => {
                self.state = ClientState::Up;
                self.connected_by = Some(after(now, WAIT_FOR_RTT));
                self.record.tell(ClientEvent::LeaseGranted(new));
                self.liveness.probe(now);
                self.watch_server(to_network, now);
            }
            Some(old) if old != new => {
                self.record.tell(ClientEvent::LeaseChanged { old: old.address, new });
            }
            Some(_) => {}
        }
    }

    fn heartbeat_answered(&mut self, id: u32, now: Instant) -> Result<(), DropReason> {
        let rtt = self.liveness.answered(id, now).ok_or(DropReason::ControlUnexpected)?;
        self.rtt = Some(rtt);
        if self.connected_by.take().is_some() {
            self.record.tell(ClientEvent::Connected { rtt: Some(rtt) });
        }
        if self.state == ClientState::Lost {
            self.reconnect.stop();
            self.returned(Some(rtt), now);
        }
        Ok(())
    }

    fn server_said_bye(&mut self, pause: Option<u16>, now: Instant) {
        if self.state == ClientState::Up {
            self.lost(LossReason::ServerBye, now);
        } else {
            self.record.tell(ClientEvent::ServerBye);
        }
        let pause = pause.map(|seconds| Duration::from_secs(seconds.into())).unwrap_or_default();
        // Whoever says bye is not up again at once.
        self.reconnect.start_after(pause.clamp(AFTER_BYE, MAX_PAUSE), now);
    }

    fn lost(&mut self, reason: LossReason, now: Instant) {
        if self.state == ClientState::Up {
            self.state = ClientState::Lost;
            self.lost_at = Some(now);
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

    fn forward(
        &mut self,
        bytes: &[u8],
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        if bytes.len() > MAX_PACKET {
            return Err(DropReason::PacketTooLong);
        }
        let packet = Ipv6Packet::parse(bytes)?;
        let lease = self.lease.ok_or(DropReason::NoLease)?;
        filter::check_to_server(&packet, lease.address)?;
        self.send(bytes, to_network).map_err(|error| self.failed(error, now)).map(|is_initiation| {
            if is_initiation {
                self.reconnect.sent(&mut self.rng, now);
            }
            self.liveness.packet_sent(now);
        })
    }

    /// Sends a packet, or leaves it to wait for a session. Says whether a handshake was begun.
    fn send(&mut self, packet: &[u8], to_network: &mut DatagramBatch) -> Result<bool, SessionError> {
        let slot = to_network.slot().ok_or(SessionError::Dropped(DropReason::BatchFull))?;
        let Some(len) = self.session.send(packet, slot)? else { return Ok(false) };
        let is_initiation = slot.get(..len).is_some_and(Datagram::is_initiation);
        self.commit(to_network, len, self.server_address());
        Ok(is_initiation)
    }

    fn send_control(
        &mut self,
        envelope: &Envelope,
        to_network: &mut DatagramBatch,
    ) -> Result<(), DropReason> {
        // Without keys it would wait in the engine's queue, and arrive when it means nothing.
        if !self.session.has_keys() {
            return Err(DropReason::NoSession);
        }
        let mut buffer = ControlBuffer::new();
        let packet = buffer.write(self.ends, envelope).ok_or(DropReason::ControlMalformed)?;
        match self.send(packet, to_network) {
            Ok(_) => Ok(()),
            Err(SessionError::Dropped(reason)) => Err(reason),
            // The next tick meets it as well, and makes the session anew.
            Err(SessionError::Panicked) => Err(DropReason::SessionPanicked),
        }
    }

    fn send_queued(&mut self, to_network: &mut DatagramBatch, now: Instant) -> Result<(), DropReason> {
        self.has_queued = false;
        for _ in 0..MAX_QUEUED_PACKETS {
            let Some(slot) = to_network.slot() else {
                self.has_queued = true;
                return Ok(());
            };
            match self.session.send_queued(slot) {
                Ok(Some(len)) => self.commit(to_network, len, self.server_address()),
                Ok(None) => break,
                Err(panicked) => return Err(self.failed(panicked.into(), now)),
            }
        }
        Ok(())
    }

    fn initiate(
        &mut self,
        forced: bool,
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        let slot = to_network.slot().ok_or(DropReason::BatchFull)?;
        match self.session.initiate(forced, slot) {
            Ok(Some(len)) => {
                self.commit(to_network, len, self.server_address());
                self.reconnect.sent(&mut self.rng, now);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(panicked) => Err(self.failed(panicked.into(), now)),
        }
    }

    fn tick(&mut self, to_network: &mut DatagramBatch, now: Instant) -> Result<(), DropReason> {
        self.identity.refresh();
        // A full batch is sent and the engine asked again a quarter of a second later.
        let Some(slot) = to_network.slot() else { return Ok(()) };
        match self.session.tick(slot) {
            Ok(Tick::Idle) => {}
            Ok(Tick::Send(len)) => {
                let is_initiation = slot.get(..len).is_some_and(Datagram::is_initiation);
                self.commit(to_network, len, self.server_address());
                if is_initiation {
                    self.reconnect.sent(&mut self.rng, now);
                }
            }
            Ok(Tick::Expired) => self.lost(LossReason::NoHandshake, now),
            Err(panicked) => return Err(self.failed(panicked.into(), now)),
        }
        if self.has_queued {
            self.send_queued(to_network, now)?;
        }
        self.renew_keys(to_network, now)
    }

    /// The engine renews keys only after packets with something in them; keepalives alone would
    /// let them lapse for up to the keepalive time, and the server could not reach us.
    fn renew_keys(&mut self, to_network: &mut DatagramBatch, now: Instant) -> Result<(), DropReason> {
        let age = self.latest_handshake.map(|at| now.saturating_duration_since(at));
        let is_old = age.is_some_and(|age| age >= REKEY_AFTER.saturating_add(SESSION_TICK));
        if !is_old || self.reconnect.is_running() {
            return Ok(());
        }
        self.initiate(false, to_network, now)
    }

    fn pursue_lease(&mut self, to_network: &mut DatagramBatch, now: Instant) {
        if let Some(request_id) = self.requester.poll(now) {
            let message = Message::LeaseRequest { client_version: VERSION };
            let sent = self.send_control(&Envelope { request_id, message }, to_network);
            self.record.settle(sent);
        }
        if self.state == ClientState::Leasing && self.requester.poll_silence(now) {
            self.record.tell(ClientEvent::LeaseRefused { reason: RefusalReason::NoAnswer });
        }
    }

    fn watch_server(&mut self, to_network: &mut DatagramBatch, now: Instant) {
        if self.is_stock() {
            return;
        }
        match self.liveness.poll(now) {
            Some(Verdict::Probe) => {
                let request_id = self.requester.next_id();
                let heartbeat = Envelope { request_id, message: Message::Heartbeat };
                self.liveness.heartbeat_sent(request_id, now);
                let sent = self.send_control(&heartbeat, to_network);
                self.record.settle(sent);
            }
            Some(Verdict::Lost) => self.lost(LossReason::NoHeartbeat, now),
            None => {}
        }
    }

    fn received(&mut self, len: usize) {
        self.rx_bytes = self.rx_bytes.saturating_add(len as u64);
    }

    /// Sends the first `len` bytes of the free slot, if any.
    fn commit(&mut self, to_network: &mut DatagramBatch, len: usize, to: SocketAddr) {
        if len > 0 {
            to_network.commit(len, to);
            self.tx_bytes = self.tx_bytes.saturating_add(len as u64);
        }
    }

    /// A panic costs the session: it is made anew, and the next handshake is due at once.
    fn failed(&mut self, error: SessionError, now: Instant) -> DropReason {
        match error {
            SessionError::Dropped(reason) => reason,
            SessionError::Panicked => {
                self.session = open_session(&self.identity, &self.config, &mut self.rng);
                self.endpoint.forget_sessions();
                self.lost(LossReason::SessionPanicked, now);
                DropReason::SessionPanicked
            }
        }
    }
}

/// Nothing has answered for so long after the start: the user is told.
const FIRST_COMPLAINT: Duration = Duration::from_secs(3);
/// And again after each of these.
const NEXT_COMPLAINT: Duration = Duration::from_secs(60);
/// The first heartbeat's answer is waited for so long before it is said that we are connected.
const WAIT_FOR_RTT: Duration = Duration::from_secs(1);
/// The least wait after a bye.
const AFTER_BYE: Duration = Duration::from_millis(250);
/// What the server is told about us: the version of this crate, which all of v6tun shares.
const VERSION: (u16, u16, u16) = (0, 1, 0);

fn open_session(identity: &Identity, config: &ClientConfig, rng: &mut StdRng) -> Session {
    let keepalive = config.address.map(|_| config.keepalive).filter(|keepalive| !keepalive.is_zero());
    let server =
        session::Peer { public_key: &config.server, preshared_key: config.preshared_key.as_ref(), keepalive };
    identity.session(&server, rng.random_range(0..1 << 24))
}

#[cfg(test)]
mod tests;
