//! What the client sends: packets, control, and whatever time makes due.

use super::liveness::Verdict;
use super::{ClientState, ClientTunnel, Purpose};
use crate::batch::{DatagramBatch, Outputs};
use crate::control::{ControlBuffer, Envelope, Message};
use crate::datagram::Datagram;
use crate::limits::{MAX_PACKET, MAX_QUEUED_PACKETS, REKEY_AFTER, SESSION_TICK};
use crate::packet::{Ipv6Packet, MssClamp};
use crate::session::{SessionError, Tick};
use crate::{ClientEvent, DropReason, LossReason, RefusalReason, VERSION, filter};
use std::net::SocketAddr;
use std::time::Instant;

impl ClientTunnel {
    pub(super) fn forward(
        &mut self,
        bytes: &[u8],
        out: &mut Outputs<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        if bytes.len() > MAX_PACKET {
            return Err(DropReason::PacketTooLong);
        }
        let packet = Ipv6Packet::parse(bytes)?;
        let lease = self.lease.ok_or(DropReason::NoLease)?;
        filter::check_to_server(&packet, lease.address)?;
        if self.server_address().ip() == packet.destination() {
            return Err(DropReason::EndpointInTunnel);
        }
        if bytes.len() > usize::from(lease.mtu) {
            return Err(self.too_big.refuse(&packet, lease.mtu, out.to_tun, now));
        }
        let to_network = &mut *out.to_network;
        let first = to_network.len();
        let sent = match MssClamp::of(&packet, lease.mtu) {
            None => self.send(bytes, to_network),
            Some(clamp) => self.send(clamp.copy(bytes, &mut [0; MAX_PACKET]), to_network),
        };
        sent.map_err(|error| self.failed(error, now)).map(|is_initiation| {
            to_network.carry_ecn(first, bytes);
            if is_initiation {
                self.reconnect.sent(&mut self.rng, now);
            }
            self.liveness.packet_sent(now);
            self.path_mtu.packet_sent(bytes.len(), now);
        })
    }

    /// Sends a packet, or leaves it to wait for a session. Says whether a handshake was begun.
    pub(super) fn send(
        &mut self,
        packet: &[u8],
        to_network: &mut DatagramBatch,
    ) -> Result<bool, SessionError> {
        let slot = to_network.slot().ok_or(SessionError::Dropped(DropReason::BatchFull))?;
        let Some(len) = self.session.send(packet, slot)? else { return Ok(false) };
        let is_initiation = slot.get(..len).is_some_and(Datagram::is_initiation);
        self.commit(to_network, len, self.server_address());
        Ok(is_initiation)
    }

    pub(super) fn send_control(
        &mut self,
        envelope: &Envelope,
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        // Without keys it would wait in the engine's queue, and arrive when it means nothing.
        if !self.session.has_keys() {
            return Err(DropReason::NoSession);
        }
        let mut buffer = ControlBuffer::new();
        let packet = buffer.write(self.ends, envelope).ok_or(DropReason::ControlMalformed)?;
        self.send(packet, to_network).map(drop).map_err(|error| self.failed(error, now))
    }

    pub(super) fn send_queued(
        &mut self,
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
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

    /// Counts the packets that waited for keys and go with the session.
    pub(super) fn abandon_waiting(&mut self) {
        self.record.count_all(DropReason::NoSession, self.session.abandon_waiting());
    }

    pub(super) fn initiate(
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

    /// Sends the first `len` bytes of the free slot, if any.
    pub(super) fn commit(&mut self, to_network: &mut DatagramBatch, len: usize, to: SocketAddr) {
        if len > 0 {
            let first = to_network.len();
            to_network.commit(len, to);
            if self.path_mtu.measured().is_some() {
                to_network.keep_whole(first);
            }
            self.tx_bytes = self.tx_bytes.saturating_add(len as u64);
        }
    }

    pub(super) fn tick(&mut self, to_network: &mut DatagramBatch, now: Instant) -> Result<(), DropReason> {
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
            Ok(Tick::Expired) => {
                self.abandon_waiting();
                self.lost(LossReason::NoHandshake, now, now);
            }
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

    /// Sends the request under way, if it is due.
    pub(super) fn pursue_request(&mut self, to_network: &mut DatagramBatch, now: Instant) {
        if let Some(request_id) = self.requester.poll(now) {
            let message = self.request();
            let sent = self.send_control(&Envelope { request_id, message }, to_network, now);
            self.record.settle(sent);
        }
        if self.state == ClientState::Leasing && self.requester.poll_silence(now) {
            self.record.tell(ClientEvent::LeaseRefused { reason: RefusalReason::NoAnswer });
        }
        if self.visit_doubted_at().is_some_and(|at| now >= at) {
            self.reconnect.start(now);
        }
    }

    fn request(&self) -> Message {
        match &self.config.purpose {
            Purpose::Enrol { public_key, name } => {
                Message::Enrol { public_key: *public_key, name: name.clone() }
            }
            Purpose::Lease | Purpose::Knock => Message::LeaseRequest { client_version: VERSION },
        }
    }

    pub(super) fn watch_server(&mut self, to_network: &mut DatagramBatch, now: Instant) {
        if self.is_stock() {
            return;
        }
        match self.liveness.poll(now) {
            Some(Verdict::Probe) => {
                let request_id = self.requester.next_id();
                let heartbeat = Envelope { request_id, message: Message::Heartbeat };
                self.liveness.heartbeat_sent(request_id, now);
                let sent = self.send_control(&heartbeat, to_network, now);
                self.record.settle(sent);
            }
            Some(Verdict::Lost(since)) => self.lost(LossReason::NoHeartbeat, since, now),
            None => {}
        }
    }
}
