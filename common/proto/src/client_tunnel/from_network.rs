//! What the client does with a datagram.

use super::{ClientState, ClientTunnel, Purpose};
use crate::batch::{DatagramBatch, Outputs};
use crate::control::{Envelope, LeaseTerms, Message};
use crate::datagram::Datagram;
use crate::limits::MAX_PAUSE;
use crate::packet::{Ipv6Packet, MssClamp};
use crate::session::{Handshake, Plaintext};
use crate::timer::after;
use crate::{ClientEvent, DropReason, Lease, LossReason, endpoint, filter};
use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// The first heartbeat's answer is waited for so long before it is said that we are connected.
const WAIT_FOR_RTT: Duration = Duration::from_secs(1);
/// The least wait after a bye.
const AFTER_BYE: Duration = Duration::from_millis(250);

impl ClientTunnel {
    pub(super) fn receive(
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
            Datagram::CookieReply { receiver } => {
                self.check_receiver(receiver)?;
                self.receive_handshake(source, datagram, out.to_network, now).map(drop)
            }
            Datagram::Initiation => {
                self.check_mac(source, datagram)?;
                let answer_len = self.receive_handshake(source, datagram, out.to_network, now)?;
                self.is_responder = true;
                self.commit(out.to_network, answer_len, source);
                Ok(())
            }
            Datagram::Response { receiver } => {
                self.check_receiver(receiver)?;
                self.check_mac(source, datagram)?;
                let answered = self.receive_handshake(source, datagram, out.to_network, now);
                self.is_refused |= answered == Err(DropReason::HandshakeRefused);
                let answer_len = answered?;
                // The server has proved that it is there, not that it is where this came from.
                self.is_responder = false;
                self.commit(out.to_network, answer_len, self.server_address());
                let is_in_doubt = self.state == ClientState::Lost || self.liveness.is_in_doubt();
                self.established(is_in_doubt, out.to_network, now)
            }
        }
    }

    /// Whoever has not seen our datagrams cannot guess these 24 bits.
    fn check_receiver(&self, receiver: u32) -> Result<(), DropReason> {
        if receiver >> 8 == self.session.index() { Ok(()) } else { Err(DropReason::NoSession) }
    }

    fn check_mac(&self, source: SocketAddr, datagram: &[u8]) -> Result<(), DropReason> {
        let is_right = self.identity.verifies_mac(source.ip().to_canonical(), datagram);
        if is_right { Ok(()) } else { Err(DropReason::HandshakeBadMac) }
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
    fn established(
        &mut self,
        was_in_doubt: bool,
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        self.latest_handshake = Some(now);
        self.reconnect.stop();
        self.complain_at = None;
        self.liveness.heard(now);
        let drained = self.send_queued(to_network, now);
        match &self.config.purpose {
            Purpose::Lease => self.resume(was_in_doubt, to_network, now),
            Purpose::Enrol { .. } => {
                self.state = ClientState::Leasing;
                self.requester.start(now);
                self.requester.hurry(now);
            }
            Purpose::Knock if self.state == ClientState::Connecting => {
                self.state = ClientState::Leasing;
                self.record.tell(ClientEvent::Answered);
            }
            Purpose::Knock => {}
        }
        self.pursue_request(to_network, now);
        drained
    }

    /// Goes on to a lease, or with one, now that there are new keys.
    fn resume(&mut self, was_in_doubt: bool, to_network: &mut DatagramBatch, now: Instant) {
        match (self.config.address, self.state) {
            (Some(address), ClientState::Connecting) => {
                let lease = self.stock_lease(address);
                self.lease = Some(lease);
                self.state = ClientState::Up;
                self.record.tell(ClientEvent::LeaseGranted(lease));
                self.record.tell(ClientEvent::Connected { rtt: None });
            }
            (Some(_), ClientState::Lost) => self.returned(None, now),
            (None, ClientState::Connecting | ClientState::Leasing) => {
                self.state = ClientState::Leasing;
                self.ask_for_lease(to_network, now);
            }
            // A server that was started anew may lend another address than before.
            (None, ClientState::Up | ClientState::Lost) if was_in_doubt => {
                self.ask_for_lease(to_network, now);
                self.liveness.probe(now);
                self.watch_server(to_network, now);
            }
            _ => {}
        }
    }

    /// The path is known, as a rule, when the lease comes: nothing has to be sent before that is.
    fn ask_for_lease(&mut self, to_network: &mut DatagramBatch, now: Instant) {
        self.measure_path(now);
        self.pursue_probes(to_network, now);
        self.requester.start(now);
    }

    fn stock_lease(&self, address: Ipv6Addr) -> Lease {
        let mtu = self.mtu();
        let keepalive = self.config.own_keepalive.unwrap_or(self.config.keepalive);
        Lease { address, mtu, keepalive, server_version: None }
    }

    fn receive_data(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        (receiver, counter): (u32, u64),
        out: &mut Outputs<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        self.check_receiver(receiver)?;
        let slot = out.to_tun.slot().ok_or(DropReason::BatchFull)?;
        let plaintext = match self.session.receive_data(source.ip().to_canonical(), datagram, slot) {
            Ok(plaintext) => plaintext,
            Err(error) => return Err(self.failed(error, now)),
        };
        self.received(datagram.len());
        self.liveness.heard(now);
        let sighting = self.endpoint.learn(source, (receiver, counter), now);
        if let Some(from) = sighting.moved_from {
            self.measure_path(now);
            self.record.tell(ClientEvent::EndpointMoved { from, to: source });
        }
        if sighting.is_new_session && std::mem::take(&mut self.is_responder) {
            // A server begins handshakes when it was started anew, and then has to be told that we are here.
            self.established(true, out.to_network, now)?;
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
            return self.receive_control(envelope, len, out.to_network, now);
        }
        let lease = self.lease.ok_or(DropReason::NoLease)?;
        filter::check_from_server(&packet, lease.address)?;
        if let Some(clamp) = MssClamp::of(&packet, lease.mtu)
            && let Some(slot) = out.to_tun.slot()
        {
            clamp.apply(slot);
        }
        out.to_tun.commit(len);
        Ok(())
    }

    fn receive_control(
        &mut self,
        envelope: Envelope,
        len: usize,
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        self.server_speaks = true;
        let request_id = envelope.request_id;
        if self.config.purpose != Purpose::Lease {
            return self.receive_enrol_answer(request_id, envelope.message);
        }
        match envelope.message {
            Message::Lease(terms) if self.requester.accept(request_id) => {
                self.take_lease(&terms, to_network, now);
            }
            Message::Refused { reason } if self.requester.refused(request_id, now) => {
                self.record.tell(ClientEvent::LeaseRefused { reason });
            }
            Message::LeaseChanged(terms) => {
                self.take_lease(&terms, to_network, now);
                let accepted = Envelope { request_id, message: Message::LeaseAccepted };
                self.send_control(&accepted, to_network, now)?;
            }
            Message::ProbeReply => self.probe_answered(request_id, len, now)?,
            Message::ProbeWanted => self.path_mtu.doubt(now),
            Message::HeartbeatReply => self.heartbeat_answered(request_id, now)?,
            Message::Bye { pause } => self.server_said_bye(pause, now),
            Message::InboundResult(result) if self.inbound_test.take_if(|id| *id == request_id).is_some() => {
                self.record.tell(ClientEvent::InboundTested(result));
            }
            Message::PortTest { port, nonce } => {
                let to = SocketAddr::new(self.server_address().ip(), port);
                self.record.tell(ClientEvent::PortTestWanted { to, nonce });
            }
            Message::Revoked => self.lost(LossReason::Revoked, now, now),
            _ => return Err(DropReason::ControlUnexpected),
        }
        Ok(())
    }

    fn take_lease(&mut self, terms: &LeaseTerms, to_network: &mut DatagramBatch, now: Instant) {
        self.server_mtu = terms.mtu;
        let new = Lease {
            address: terms.address,
            mtu: self.mtu(),
            keepalive: self.config.own_keepalive.unwrap_or_else(|| terms.keepalive()),
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
            self.measure_path(now);
            self.returned(Some(rtt), now);
        }
        Ok(())
    }

    fn server_said_bye(&mut self, pause: Option<u16>, now: Instant) {
        if self.state == ClientState::Up {
            self.lost(LossReason::ServerBye, now, now);
        } else {
            self.record.tell(ClientEvent::ServerBye);
        }
        let pause = pause.map(|seconds| Duration::from_secs(seconds.into())).unwrap_or_default();
        // Whoever says bye is not up again at once.
        self.reconnect.start_after(pause.clamp(AFTER_BYE, MAX_PAUSE), now);
    }
}
