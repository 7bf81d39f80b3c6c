//! Operations on invitations.

use super::{InvitationEnd, MAX_INVITATIONS, Refusal, State, StoredClient, StoredInvitation};
use crate::inbound::Inbound;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::net::Ipv6Addr;
use v6tun_keys::{InvitationId, PresharedKey, PublicKey};

/// How long an invitation is remembered after its end, so that who uses it then is told why it is refused: 30 days.
const REMEMBERED: u64 = 30 * 24 * 60 * 60;

/// What an invitation is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InvitationStatus {
    Open,
    Used,
    Expired,
    Withdrawn,
}

impl StoredInvitation {
    /// One that was used or withdrawn does not expire any more.
    pub(crate) fn status(&self, now: u64) -> InvitationStatus {
        match self.end {
            Some(InvitationEnd::Used { .. }) => InvitationStatus::Used,
            Some(InvitationEnd::Withdrawn { .. }) => InvitationStatus::Withdrawn,
            None if self.expires <= now => InvitationStatus::Expired,
            None => InvitationStatus::Open,
        }
    }

    fn require_open(&self, now: u64) -> Result<(), Refusal> {
        let (id, name) = (self.id, self.name.clone());
        match self.status(now) {
            InvitationStatus::Open => Ok(()),
            InvitationStatus::Used => Err(Refusal::AlreadyUsed { id, name }),
            InvitationStatus::Expired => Err(Refusal::Expired { id, name }),
            InvitationStatus::Withdrawn => Err(Refusal::Withdrawn { id, name }),
        }
    }

    /// When it ended, or will.
    fn ends(&self) -> u64 {
        match self.end {
            Some(InvitationEnd::Used { at, .. } | InvitationEnd::Withdrawn { at }) => at,
            None => self.expires,
        }
    }
}

impl State {
    pub(crate) fn invitation(&self, id: InvitationId) -> Option<&StoredInvitation> {
        self.invitations.iter().find(|invitation| invitation.id == id)
    }

    /// The one that can still be used for this name.
    pub(crate) fn open_invitation_for(&self, name: &str, now: u64) -> Option<&StoredInvitation> {
        let is_open = |i: &&StoredInvitation| i.name == name && i.status(now) == InvitationStatus::Open;
        self.invitations.iter().find(is_open)
    }

    /// Adds an invitation, which was created now. Where there are too many the one that ended first is forgotten.
    pub(crate) fn open_invitation(&mut self, invitation: StoredInvitation) -> Result<(), Refusal> {
        if self.invitations.len() >= MAX_INVITATIONS {
            self.forget_the_oldest(invitation.created);
        }
        if self.invitations.len() >= MAX_INVITATIONS {
            return Err(Refusal::TooManyInvitations);
        }
        if self.invitation(invitation.id).is_some() {
            return Err(Refusal::IdTaken { id: invitation.id });
        }
        self.require_free_name(&invitation.name, invitation.created)?;
        self.require_new_key(&invitation.public_key)?;
        self.invitations.push(invitation);
        Ok(())
    }

    /// Ends an invitation that is open.
    pub(crate) fn withdraw(&mut self, id: InvitationId, now: u64) -> Result<(), Refusal> {
        let number = self.number_of_invitation(id)?;
        self.invitations[number].require_open(now)?;
        self.invitations[number].end = Some(InvitationEnd::Withdrawn { at: now });
        Ok(())
    }

    /// Enrols a client by an invitation. The key that has used it already gets the same client again, as it was
    /// enrolled, unless that was removed since.
    pub(crate) fn use_invitation(
        &mut self,
        id: InvitationId,
        public_key: PublicKey,
        preshared_key: PresharedKey,
        address: Ipv6Addr,
        now: u64,
    ) -> Result<&StoredClient, Refusal> {
        let number = self.number_of_invitation(id)?;
        if let Some(client) = self.enrolled_by(id, &public_key) {
            return Ok(&self.clients[client]);
        }
        self.invitations[number].require_open(now)?;
        let name = self.invitations[number].name.clone();
        // Ended first: the name that it kept free is its client's.
        self.invitations[number].end = Some(InvitationEnd::Used { by: public_key, at: now });
        let client = StoredClient {
            name,
            public_key,
            preshared_key: Some(preshared_key),
            address,
            invitation: Some(id),
            since: now,
            inbound: Inbound::default(),
        };
        if let Err(refusal) = self.add_client(client) {
            self.invitations[number].end = None;
            return Err(refusal);
        }
        Ok(&self.clients[self.clients.len() - 1])
    }

    /// Forgets invitations that ended 30 days ago, and endpoints of keys that neither a client nor a lease has.
    /// Returns how many of both.
    pub(crate) fn prune(&mut self, now: u64) -> usize {
        let before = self.invitations.len() + self.endpoints.len();
        self.invitations.retain(|invitation| now < invitation.ends().saturating_add(REMEMBERED));
        let known: HashSet<PublicKey> = (self.clients.iter().map(|client| client.public_key))
            .chain(self.leases.iter().map(|lease| lease.public_key))
            .collect();
        self.endpoints.retain(|endpoint| known.contains(&endpoint.public_key));
        before - self.invitations.len() - self.endpoints.len()
    }

    fn forget_the_oldest(&mut self, now: u64) {
        let all = self.invitations.iter().enumerate();
        let ended = all.filter(|(_, invitation)| invitation.status(now) != InvitationStatus::Open);
        if let Some((oldest, _)) = ended.min_by_key(|(_, invitation)| invitation.ends()) {
            self.invitations.remove(oldest);
        }
    }

    fn enrolled_by(&self, id: InvitationId, public_key: &PublicKey) -> Option<usize> {
        self.clients.iter().position(|c| c.public_key == *public_key && c.invitation == Some(id))
    }

    fn number_of_invitation(&self, id: InvitationId) -> Result<usize, Refusal> {
        let number = self.invitations.iter().position(|invitation| invitation.id == id);
        number.ok_or(Refusal::NoSuchInvitation { id })
    }
}
