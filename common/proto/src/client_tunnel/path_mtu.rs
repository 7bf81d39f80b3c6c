//! The client asks what the path carries ([`PathMtu`]), keeps to it, and tells the server.

use super::{ClientConfig, ClientTunnel, Purpose};
use crate::batch::DatagramBatch;
use crate::control::{ControlBuffer, Envelope, Message};
use crate::limits::MIN_MTU;
use crate::path_mtu::{Found, PathMtu};
use crate::{ClientEvent, DropReason};
use std::time::Instant;

impl ClientTunnel {
    /// What is asked of the path of a tunnel that was never up.
    pub(super) fn unknown_path(config: &ClientConfig) -> PathMtu {
        if config.address.is_some() {
            PathMtu::unmeasured(config.mtu_ceiling)
        } else {
            PathMtu::new(config.mtu_ceiling)
        }
    }

    /// The path may be another one.
    pub(super) fn measure_path(&mut self, now: Instant) {
        if self.config.purpose == Purpose::Lease && !self.is_stock() {
            self.path_mtu.start(now);
        }
    }

    /// Sends the probes that are due.
    pub(super) fn pursue_probes(&mut self, to_network: &mut DatagramBatch, now: Instant) {
        for size in self.path_mtu.poll(now) {
            let request_id = self.requester.next_id();
            let message = Message::Probe { mtu: self.path_mtu.measured().unwrap_or(0) };
            self.path_mtu.sent(request_id, size, now);
            let sent = self.send_probe(&Envelope { request_id, message }, size, to_network, now);
            if sent == Err(DropReason::NoSession) {
                self.path_mtu.stop();
                break;
            }
            self.record.settle(sent);
        }
        self.keep_to_path();
    }

    fn send_probe(
        &mut self,
        probe: &Envelope,
        size: u16,
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        if !self.session.has_keys() {
            return Err(DropReason::NoSession);
        }
        let first = to_network.len();
        let mut buffer = ControlBuffer::new();
        let packet = buffer.write_long(self.ends, probe, size.into()).ok_or(DropReason::ControlMalformed)?;
        let sent = self.send(packet, to_network).map(drop).map_err(|error| self.failed(error, now));
        to_network.keep_whole(first);
        sent
    }

    /// The server has answered a probe, by a packet of that length.
    pub(super) fn probe_answered(&mut self, id: u32, len: usize, now: Instant) -> Result<(), DropReason> {
        let is_ours = self.path_mtu.answered(id, len, now);
        self.keep_to_path();
        if is_ours { Ok(()) } else { Err(DropReason::ControlUnexpected) }
    }

    /// What both ends and the path allow.
    pub(super) fn mtu(&self) -> u16 {
        self.path_mtu.mtu().min(self.server_mtu).max(MIN_MTU)
    }

    /// Tells of what has been found of the path.
    pub(super) fn keep_to_path(&mut self) {
        let mtu = self.mtu();
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.mtu != mtu) {
            lease.mtu = mtu;
            self.record.tell(ClientEvent::LeaseChanged { old: lease.address, new: *lease });
        }
        let is_too_small = self.path_mtu.found() == Found::TooSmall;
        if is_too_small && !std::mem::replace(&mut self.is_path_too_small, is_too_small) {
            self.record.tell(ClientEvent::PathTooSmall);
        }
    }
}
