//! What the server does with a datagram.

use super::{LeaseState, ServerTunnel};
use crate::batch::{DatagramBatch, Outputs};
use crate::control::{Envelope, Message};
use crate::datagram::Datagram;
use crate::packet::{Ipv6Packet, MssClamp};
use crate::session::{Handshake, Load, Plaintext, SessionError};
use crate::{DropReason, RefusalReason, ServerEvent, endpoint, filter};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// A data message before anything in it is proved.
struct Arrival<'a> {
    source: SocketAddr,
    datagram: &'a [u8],
    receiver: u32,
    counter: u64,
}

impl ServerTunnel {
    pub(super) fn receive(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut Outputs<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        endpoint::check_source(source)?;
        if self.port_test.take_if(|nonce| nonce == datagram).is_some() {
            self.record.tell(ServerEvent::PortTested { source });
            return Ok(());
        }
        let address = source.ip().to_canonical();
        match Datagram::classify(datagram)? {
            Datagram::Initiation => {
                self.admit(address, datagram, now)?;
                self.receive_initiation(source, datagram, out.to_network, now)
            }
            Datagram::Response { receiver } => {
                let place = self.peers.by_receiver(receiver).ok_or(DropReason::NoSession)?;
                self.admit_response(place, address, datagram, now)?;
                self.receive_response(place, source, datagram, out.to_network)?;
                self.handshake_done(place, out.to_network, now)?;
                self.answered(place, now);
                Ok(())
            }
            Datagram::CookieReply { receiver } => {
                let place = self.peers.by_receiver(receiver).ok_or(DropReason::NoSession)?;
                self.admission.admit(address, now)?;
                self.receive_response(place, source, datagram, out.to_network)
            }
            Datagram::Data { receiver, counter } => {
                self.receive_data(&Arrival { source, datagram, receiver, counter }, out, now)
            }
        }
    }

    /// Does the sender know our key, and has it a share left?
    fn admit(&mut self, address: IpAddr, datagram: &[u8], now: Instant) -> Result<(), DropReason> {
        if !self.identity.verifies_mac(address, datagram) {
            return Err(DropReason::HandshakeBadMac);
        }
        self.admission.admit(address, now)?;
        self.identity.refresh();
        Ok(())
    }

    /// As [`admit`](Self::admit), but one response to each call of ours is expected, and costs its source nothing: a
    /// hundred clients may answer at once from behind one translator of addresses.
    fn admit_response(
        &mut self,
        place: usize,
        address: IpAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), DropReason> {
        let revival = self.peers.get_mut(place).and_then(|peer| peer.revival.as_mut());
        match revival.filter(|revival| revival.awaits_answer()) {
            Some(revival) if self.identity.verifies_mac(address, datagram) => {
                revival.take_answer();
                self.identity.refresh();
                Ok(())
            }
            _ => self.admit(address, datagram, now),
        }
    }

    fn receive_initiation(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        let address = source.ip().to_canonical();
        let slot = to_network.slot().ok_or(DropReason::BatchFull)?;
        if let Load::Cookie(len) = self.identity.weigh(address, datagram, slot)? {
            to_network.commit(len, source);
            return Err(DropReason::HandshakeUnderLoad);
        }
        let key = self.identity.claimed_key(datagram).ok_or(DropReason::HandshakeRefused)?;
        let Some(place) = self.peers.by_key(&key) else {
            if self.visitors.is_invited(&key) {
                return self.receive_visit(key, source, datagram, to_network, now);
            }
            if self.unknown_keys.is_worth_telling(key, now) {
                self.record.tell(ServerEvent::UnknownKey { key, source });
            }
            return Err(DropReason::UnknownKey);
        };
        let index = self.peers.free_index(&mut self.rng, |index| self.visitors.is_taken(index));
        let is_first = self.peers.open_session(place, &self.identity, index);
        let peer = self.peers.get_mut(place).ok_or(DropReason::UnknownKey)?;
        let session = peer.session.as_mut().ok_or(DropReason::NoSession)?;
        // The answer goes to where the question came from, and moves nothing.
        let refusal = match session.receive_handshake(address, datagram, slot) {
            Ok(Handshake::Accepted(len)) => {
                peer.received(datagram.len());
                peer.commit(to_network, len, source);
                self.wake_sessions(now);
                return Ok(());
            }
            Ok(Handshake::Cookie(len)) => {
                to_network.commit(len, source);
                SessionError::Dropped(DropReason::HandshakeUnderLoad)
            }
            Err(error) => error,
        };
        if is_first {
            // Whoever knows a client's public key comes this far: that leaves nothing behind.
            self.close_session(place);
        }
        if refusal == SessionError::Dropped(DropReason::HandshakeOutdated) {
            return self.receive_outdated(place, source, datagram, to_network, now);
        }
        Err(self.failed(place, refusal))
    }

    fn receive_response(
        &mut self,
        place: usize,
        source: SocketAddr,
        datagram: &[u8],
        to_network: &mut DatagramBatch,
    ) -> Result<(), DropReason> {
        let slot = to_network.slot().ok_or(DropReason::BatchFull)?;
        let peer = self.peers.get_mut(place).ok_or(DropReason::NoSession)?;
        let session = peer.session.as_mut().ok_or(DropReason::NoSession)?;
        match session.receive_handshake(source.ip().to_canonical(), datagram, slot) {
            Ok(Handshake::Accepted(len)) => {
                peer.received(datagram.len());
                peer.commit_to_endpoint(to_network, len)
            }
            Ok(Handshake::Cookie(len)) => {
                to_network.commit(len, source);
                Err(DropReason::HandshakeUnderLoad)
            }
            Err(error) => Err(self.failed(place, error)),
        }
    }

    /// A client that has answered a handshake of ours is there, and hears us: nobody can have recorded that.
    fn answered(&mut self, place: usize, now: Instant) {
        if let Some(peer) = self.peers.get_mut(place) {
            peer.need_lease(&mut self.record, now);
        }
    }

    fn handshake_done(
        &mut self,
        place: usize,
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        let peer = self.peers.get_mut(place).ok_or(DropReason::NoSession)?;
        peer.latest_handshake = Some(now);
        let drained = peer.send_queued(to_network);
        drained.map_err(|error| self.failed(place, error))
    }

    fn receive_data(
        &mut self,
        arrival: &Arrival<'_>,
        out: &mut Outputs<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let Some(place) = self.peers.by_receiver(arrival.receiver) else {
            let received =
                self.receive_from_visitor((arrival.source, arrival.receiver), arrival.datagram, out);
            if received == Err(DropReason::NoSession) {
                self.heard_from_former(arrival.source, now);
            }
            return received;
        };
        let slot = out.to_tun.slot().ok_or(DropReason::BatchFull)?;
        let peer = self.peers.get_mut(place).ok_or(DropReason::NoSession)?;
        let (session, is_provisional) = peer.session_of(arrival.receiver).ok_or(DropReason::NoSession)?;
        let address = arrival.source.ip().to_canonical();
        let plaintext = match session.receive_data(address, arrival.datagram, slot) {
            Ok(plaintext) => plaintext,
            Err(SessionError::Panicked) if is_provisional => {
                self.peers.retain_provisional(place, |_| false);
                return Err(DropReason::SessionPanicked);
            }
            Err(error) => return Err(self.failed(place, error)),
        };
        if is_provisional {
            let abandoned = self.peers.adopt_provisional(place, arrival.receiver);
            self.record.count_all(DropReason::NoSession, abandoned);
        }
        let peer = self.peers.get_mut(place).ok_or(DropReason::NoSession)?;
        peer.received(arrival.datagram.len());
        let sighting = peer.endpoint.learn(arrival.source, (arrival.receiver, arrival.counter), now);
        peer.revival = None;
        peer.seen(&mut self.record, now);
        peer.need_lease(&mut self.record, now);
        if sighting.is_new_session {
            self.handshake_done(place, out.to_network, now)?;
        }
        match plaintext {
            Plaintext::Keepalive => Ok(()),
            Plaintext::Unfit(reason) => Err(reason),
            Plaintext::Packet(len) => self.receive_packet(place, len, out, now),
        }
    }

    /// Takes the packet that lies decrypted at the front of the tun's free slot.
    fn receive_packet(
        &mut self,
        place: usize,
        len: usize,
        out: &mut Outputs<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let bytes = out.to_tun.slot().and_then(|slot| slot.get(..len)).ok_or(DropReason::BatchFull)?;
        let peer = self.peers.get_mut(place).ok_or(DropReason::NoSession)?;
        let packet = Ipv6Packet::parse(bytes)?;
        if peer.ends.takes(&packet) {
            let envelope = peer.ends.open(&packet)?;
            return self.receive_control(place, envelope, len, out.to_network, now);
        }
        if let Err(reason) = filter::check_from_client(&packet, peer.entry.address) {
            if reason == DropReason::SourceNotLeased && peer.lease_state() == LeaseState::Ready {
                let notice = peer.responder.wrong_source(self.terms.of(peer.entry.address), now);
                self.send_control(place, notice, out.to_network);
            }
            return Err(reason);
        }
        if let Some(clamp) = MssClamp::of(&packet, peer.path.mtu().unwrap_or(self.terms.mtu))
            && let Some(slot) = out.to_tun.slot()
        {
            clamp.apply(slot);
        }
        match peer.lease_state() {
            LeaseState::Ready => {
                out.to_tun.commit(len);
                Ok(())
            }
            LeaseState::Failed => Err(DropReason::LeaseFailed),
            LeaseState::Unused | LeaseState::Pending => {
                let bytes = out.to_tun.slot().and_then(|slot| slot.get(..len));
                peer.hold(bytes.ok_or(DropReason::BatchFull)?)
            }
        }
    }

    fn receive_control(
        &mut self,
        place: usize,
        envelope: Envelope,
        len: usize,
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        let peer = self.peers.get_mut(place).ok_or(DropReason::NoSession)?;
        peer.responder.heard();
        let answer = match envelope.message {
            Message::LeaseRequest { .. } => {
                let terms = self.terms.of(peer.entry.address);
                peer.responder.keep_waiting(envelope.request_id);
                match peer.lease_state() {
                    LeaseState::Ready => peer.responder.grant(terms),
                    LeaseState::Failed => peer.responder.refuse(RefusalReason::HostFailed),
                    LeaseState::Unused | LeaseState::Pending => None,
                }
            }
            Message::Heartbeat => {
                Some(Envelope { request_id: envelope.request_id, message: Message::HeartbeatReply })
            }
            Message::Probe { mtu } => {
                peer.path.measured(mtu.min(self.terms.mtu), now);
                let answered = peer.answer_probe(envelope.request_id, len, to_network);
                return answered.map_err(|error| self.failed(place, error));
            }
            Message::LeaseAccepted if peer.responder.change_accepted() => None,
            Message::InboundTest { tcp_port } => {
                self.inbound_test_wanted(place, envelope.request_id, tcp_port, now)?;
                None
            }
            Message::Bye { .. } => {
                self.left(place);
                self.forget_whereabouts(place);
                None
            }
            _ => return Err(DropReason::ControlUnexpected),
        };
        self.send_control(place, answer, to_network);
        Ok(())
    }
}
