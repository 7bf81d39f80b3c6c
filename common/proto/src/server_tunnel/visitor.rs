//! Visitors: PCs that came with an invitation and want to become clients.
//!
//! Everybody who has the same invitation has the same throw-away key. So each handshake opens a visit with a
//! session of its own: visitors do not disturb each other, and each gets its own answer. A visit ends after
//! [`VISIT`], or earlier when others need its place. A visitor has no lease and passes no inner packet.

use super::InvitationEntry;
use crate::DropReason;
use crate::batch::DatagramBatch;
use crate::control::{ControlBuffer, Ends, Envelope, SERVER_LINK_LOCAL, client_link_local};
use crate::limits::{MAX_VISIT_REQUESTS, MAX_VISITORS, VISIT};
use crate::session::{self, Identity, Session, SessionError};
use crate::timer::after;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;
use v6tun_keys::PublicKey;

/// Names one visit. No two visits of a server have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VisitorId(u64);

/// Somebody who has shown an invitation's key.
pub(crate) struct Visitor {
    pub(crate) id: VisitorId,
    /// The throw-away key.
    pub(crate) invitation: PublicKey,
    pub(crate) ends: Ends,
    pub(crate) session: Session,
    /// Where its last authenticated message came from.
    pub(crate) endpoint: SocketAddr,
    until: Instant,
    /// The request that waits for an answer.
    waiting: Option<u32>,
    requests: usize,
}

impl Visitor {
    /// Notes a request. Says whether it has to be told of: one that waits already is only answered under its
    /// newest id.
    pub(crate) fn request(&mut self, request_id: u32) -> Result<bool, DropReason> {
        if self.waiting.replace(request_id).is_some() {
            return Ok(false);
        }
        self.requests = self.requests.saturating_add(1);
        if self.requests > MAX_VISIT_REQUESTS {
            self.waiting = None;
            return Err(DropReason::ControlUnexpected);
        }
        Ok(true)
    }

    /// The id of the request that waits, which is answered by that.
    pub(crate) fn take_request(&mut self) -> Option<u32> {
        self.waiting.take()
    }

    /// Encrypts and sends a control message.
    pub(crate) fn send_control(
        &mut self,
        envelope: &Envelope,
        to_network: &mut DatagramBatch,
    ) -> Result<(), SessionError> {
        let mut buffer = ControlBuffer::new();
        let packet =
            buffer.write(self.ends, envelope).ok_or(SessionError::Dropped(DropReason::ControlMalformed))?;
        let slot = to_network.slot().ok_or(SessionError::Dropped(DropReason::BatchFull))?;
        if let Some(len) = self.session.send(packet, slot)? {
            to_network.commit(len, self.endpoint);
        }
        Ok(())
    }
}

/// All visitors, and the invitations that let them in.
#[derive(Default)]
pub(crate) struct Visitors {
    invitations: HashMap<PublicKey, InvitationEntry>,
    /// By the upper 24 bits of their receiver indices.
    by_index: HashMap<u32, Visitor>,
    /// The same indices, the oldest visit first.
    order: VecDeque<u32>,
    last_id: u64,
}

impl Visitors {
    pub(crate) fn invite(&mut self, invitation: InvitationEntry) {
        self.invitations.insert(invitation.public_key, invitation);
    }

    /// Ends the invitation and the visits that it allowed.
    pub(crate) fn uninvite(&mut self, key: &PublicKey) {
        self.invitations.remove(key);
        self.by_index.retain(|_, visitor| visitor.invitation != *key);
        self.forget_the_gone();
    }

    pub(crate) fn is_invited(&self, key: &PublicKey) -> bool {
        self.invitations.contains_key(key)
    }

    pub(crate) fn is_taken(&self, index: u32) -> bool {
        self.by_index.contains_key(&index)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_index.is_empty()
    }

    /// A session for whoever shows that key; a visit only once it is [received](Self::receive).
    pub(crate) fn session(&self, key: &PublicKey, identity: &Identity, index: u32) -> Option<Session> {
        let invitation = self.invitations.get(key)?;
        let with = session::Peer {
            public_key: &invitation.public_key,
            preshared_key: Some(&invitation.preshared_key),
            keepalive: None,
        };
        Some(identity.session(&with, index))
    }

    /// Begins a visit; where there are too many, the oldest one ends.
    pub(crate) fn receive(
        &mut self,
        invitation: PublicKey,
        session: Session,
        from: SocketAddr,
        now: Instant,
    ) {
        if self.order.len() >= MAX_VISITORS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_index.remove(&oldest);
        }
        self.last_id = self.last_id.wrapping_add(1);
        let index = session.index();
        let visitor = Visitor {
            id: VisitorId(self.last_id),
            invitation,
            ends: Ends { ours: SERVER_LINK_LOCAL, theirs: client_link_local(&invitation) },
            session,
            endpoint: from,
            until: after(now, VISIT),
            waiting: None,
            requests: 0,
        };
        self.by_index.insert(index, visitor);
        self.order.push_back(index);
    }

    pub(crate) fn by_receiver(&mut self, receiver: u32) -> Option<&mut Visitor> {
        self.by_index.get_mut(&(receiver >> 8))
    }

    pub(crate) fn by_id(&mut self, id: VisitorId) -> Option<&mut Visitor> {
        self.by_index.values_mut().find(|visitor| visitor.id == id)
    }

    pub(crate) fn end(&mut self, receiver: u32) {
        self.by_index.remove(&(receiver >> 8));
        self.forget_the_gone();
    }

    /// Ends the visits whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.by_index.retain(|_, visitor| now < visitor.until);
        self.forget_the_gone();
    }

    fn forget_the_gone(&mut self) {
        let Self { order, by_index, .. } = self;
        order.retain(|index| by_index.contains_key(index));
    }
}
