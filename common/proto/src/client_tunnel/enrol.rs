//! The client as a visitor: it has the key of an invitation, and asks that its own becomes a client's.
//!
//! A server that was started anew has forgotten the visit, and is silent to it. So after a while without an
//! answer there is another handshake, which makes another visit, and the request is repeated at once.

use super::{ClientState, ClientTunnel, Purpose};
use crate::control::Message;
use crate::timer::after;
use crate::{ClientEvent, DropReason};
use std::time::{Duration, Instant};

/// A visit whose request has not been answered for so long may have been forgotten. The server writes to its
/// disk before it answers.
const DOUBT_AFTER: Duration = Duration::from_millis(1500);

impl ClientTunnel {
    /// When another visit is due, unless the request is answered before.
    pub(super) fn visit_doubted_at(&self) -> Option<Instant> {
        let waits = self.state == ClientState::Leasing && self.requester.due().is_some();
        let is_visitor = matches!(self.config.purpose, Purpose::Enrol { .. });
        if !is_visitor || !waits || self.reconnect.is_running() {
            return None;
        }
        self.latest_handshake.map(|at| after(at, DOUBT_AFTER))
    }

    /// Takes what only a visitor is told.
    pub(super) fn receive_enrol_answer(
        &mut self,
        request_id: u32,
        message: Message,
    ) -> Result<(), DropReason> {
        let is_visitor = matches!(self.config.purpose, Purpose::Enrol { .. });
        let event = match message {
            Message::Enrolled { preshared_key, name } => ClientEvent::Enrolled { preshared_key, name },
            Message::EnrolRefused { reason } => ClientEvent::EnrolRefused { reason },
            _ => return Err(DropReason::ControlUnexpected),
        };
        if !is_visitor || !self.requester.accept(request_id) {
            return Err(DropReason::ControlUnexpected);
        }
        self.record.tell(event);
        Ok(())
    }
}
