//! What the server does with visitors.

use super::visitor::VisitorId;
use super::{InvitationEntry, ServerTunnel};
use crate::batch::{DatagramBatch, Outputs};
use crate::control::{Envelope, Message};
use crate::limits::SESSION_TICK;
use crate::packet::Ipv6Packet;
use crate::session::{Handshake, Plaintext, SessionError};
use crate::timer::after;
use crate::{DropReason, EnrolRefusal, ServerEvent};
use std::net::SocketAddr;
use std::time::Instant;
use v6tun_keys::{PresharedKey, PublicKey};

/// What a visitor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnrolAnswer {
    /// Its key is a client's.
    Enrolled {
        /// What that client's handshakes are to be made with.
        preshared_key: PresharedKey,
        /// The client's name.
        name: String,
    },
    /// It is not.
    Refused(EnrolRefusal),
}

impl From<EnrolAnswer> for Message {
    fn from(answer: EnrolAnswer) -> Self {
        match answer {
            EnrolAnswer::Enrolled { preshared_key, name } => Self::Enrolled { preshared_key, name },
            EnrolAnswer::Refused(reason) => Self::EnrolRefused { reason },
        }
    }
}

impl ServerTunnel {
    /// Lets whoever shows that throw-away key ask to become a client.
    pub fn add_invitation(&mut self, invitation: InvitationEntry) {
        self.visitors.invite(invitation);
    }

    /// From here on that throw-away key is unknown. Its visits end.
    pub fn remove_invitation(&mut self, key: &PublicKey) {
        self.visitors.uninvite(key);
    }

    /// Answers a [`ServerEvent::EnrolRequested`]. A visitor that has gone meanwhile asks again.
    pub fn handle_enrol_answer(
        &mut self,
        visitor: VisitorId,
        answer: EnrolAnswer,
        out: &mut Outputs<'_>,
        _now: Instant,
    ) {
        let Some(visitor) = self.visitors.by_id(visitor) else { return };
        let Some(request_id) = visitor.take_request() else { return };
        let sent = visitor.send_control(&Envelope { request_id, message: answer.into() }, out.to_network);
        self.record.settle(sent.map_err(reason_of));
    }

    /// A handshake by the key of an invitation: a visit begins.
    pub(super) fn receive_visit(
        &mut self,
        key: PublicKey,
        source: SocketAddr,
        datagram: &[u8],
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        let slot = to_network.slot().ok_or(DropReason::BatchFull)?;
        let index = self.peers.free_index(&mut self.rng, |index| self.visitors.is_taken(index));
        let mut session = self.visitors.session(&key, &self.identity, index).ok_or(DropReason::UnknownKey)?;
        match session.receive_handshake(source.ip().to_canonical(), datagram, slot) {
            Ok(Handshake::Accepted(len)) => {
                to_network.commit(len, source);
                self.visitors.receive(key, session, source, now);
                self.next_tick.get_or_insert(after(now, SESSION_TICK));
                Ok(())
            }
            Ok(Handshake::Cookie(len)) => {
                to_network.commit(len, source);
                Err(DropReason::HandshakeUnderLoad)
            }
            Err(error) => Err(reason_of(error)),
        }
    }

    /// A data message for the session of a visit.
    pub(super) fn receive_from_visitor(
        &mut self,
        (source, receiver): (SocketAddr, u32),
        datagram: &[u8],
        out: &mut Outputs<'_>,
    ) -> Result<(), DropReason> {
        let slot = out.to_tun.slot().ok_or(DropReason::BatchFull)?;
        let visitor = self.visitors.by_receiver(receiver).ok_or(DropReason::NoSession)?;
        let len = match visitor.session.receive_data(source.ip().to_canonical(), datagram, slot) {
            Ok(Plaintext::Packet(len)) => len,
            Ok(Plaintext::Keepalive) => return Ok(()),
            Ok(Plaintext::Unfit(reason)) => return Err(reason),
            Err(SessionError::Panicked) => {
                self.visitors.end(receiver);
                return Err(DropReason::SessionPanicked);
            }
            Err(SessionError::Dropped(reason)) => return Err(reason),
        };
        visitor.endpoint = source;
        let packet = Ipv6Packet::parse(slot.get(..len).ok_or(DropReason::BatchFull)?)?;
        if !visitor.ends.takes(&packet) {
            return Err(DropReason::SourceNotLeased);
        }
        let Envelope { request_id, message } = visitor.ends.open(&packet)?;
        match message {
            Message::Enrol { public_key, name } => {
                if visitor.request(request_id)? {
                    let (id, invitation) = (visitor.id, visitor.invitation);
                    self.record.tell(ServerEvent::EnrolRequested {
                        visitor: id,
                        invitation,
                        client: public_key,
                        name,
                        source,
                    });
                }
                Ok(())
            }
            Message::Bye { .. } => {
                self.visitors.end(receiver);
                Ok(())
            }
            _ => Err(DropReason::ControlUnexpected),
        }
    }
}

/// A visit whose session broke comes to nothing any more; its visitor comes again.
fn reason_of(error: SessionError) -> DropReason {
    match error {
        SessionError::Dropped(reason) => reason,
        SessionError::Panicked => DropReason::SessionPanicked,
    }
}
