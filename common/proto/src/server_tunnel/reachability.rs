//! Tests for the two doctors: whether a client can be reached, and whether our port can.

use super::{LeaseState, ServerTunnel};
use crate::batch::Outputs;
use crate::control::{Envelope, InboundResult, Message, Nonce};
use crate::timer::after;
use crate::{DropReason, ServerEvent};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};
use v6tun_keys::PublicKey;

/// The least time between two tests for one client: each costs the host a ping and a connection.
const APART: Duration = Duration::from_secs(2);

impl ServerTunnel {
    pub(super) fn inbound_test_wanted(
        &mut self,
        place: usize,
        request_id: u32,
        tcp_port: u16,
        now: Instant,
    ) -> Result<(), DropReason> {
        let peer = self.peers.get_mut(place).ok_or(DropReason::NoSession)?;
        let is_early = peer.next_inbound_test.is_some_and(|at| now < at);
        if is_early || peer.lease_state() != LeaseState::Ready {
            return Err(DropReason::ControlUnexpected);
        }
        peer.next_inbound_test = Some(after(now, APART));
        self.record.tell(ServerEvent::InboundTestWanted {
            client: peer.entry.public_key,
            request_id,
            address: peer.entry.address,
            tcp_port: NonZeroU16::new(tcp_port),
        });
        Ok(())
    }

    /// Tells a client how it was reached.
    pub fn handle_inbound_result(
        &mut self,
        client: &PublicKey,
        request_id: u32,
        result: InboundResult,
        out: &mut Outputs<'_>,
    ) {
        let Some(place) = self.peers.by_key(client) else { return };
        let answer = Envelope { request_id, message: Message::InboundResult(result) };
        self.send_control(place, Some(answer), out.to_network);
    }

    /// Has a client send `nonce` to the UDP port, from another port than its own: a firewall that lets in only what it
    /// knows is told from one that lets clients in. One that has spoken no control does not know how.
    pub fn request_port_test(&mut self, client: &PublicKey, port: u16, nonce: Nonce, out: &mut Outputs<'_>) {
        let Some(place) = self.peers.by_key(client) else { return };
        if self.peers.get_mut(place).is_some_and(|peer| peer.responder.speaks()) {
            self.port_test = Some(nonce);
            let request = Envelope { request_id: 0, message: Message::PortTest { port, nonce } };
            self.send_control(place, Some(request), out.to_network);
        }
    }
}
