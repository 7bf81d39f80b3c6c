//! A visitor asks to become a client.

use super::{Roster, entry_of, now};
use crate::state::{InvitationEnd, InvitationStatus, StoredInvitation};
use std::net::SocketAddr;
use tracing::{info, warn};
use v6tun_keys::{PresharedKey, PublicKey};
use v6tun_proto::{ClientEntry, EnrolAnswer, EnrolRefusal};

/// What a visitor asks.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The throw-away key that it has shown.
    pub(crate) invitation: PublicKey,
    /// The key that is to become a client's.
    pub(crate) client: PublicKey,
    /// What the PC calls itself.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) source: SocketAddr,
}

/// What it is told, and who is a client now that was not before.
#[derive(Debug)]
pub(crate) struct Enrolment {
    pub(crate) answer: EnrolAnswer,
    pub(crate) added: Option<ClientEntry>,
}

impl From<EnrolRefusal> for Enrolment {
    fn from(reason: EnrolRefusal) -> Self {
        Self { answer: EnrolAnswer::Refused(reason), added: None }
    }
}

impl Roster<'_> {
    /// Makes the key a client's, if the invitation allows it, and writes that down first. The same key gets the
    /// same answer as often as it asks. Who is refused is named in the log, with its address.
    pub(crate) fn enrol(&mut self, request: &Request) -> Enrolment {
        let Request { client, source, name: pc, .. } = request;
        let invitations = self.state.invitations.iter();
        let Some(invitation) = invitations.clone().find(|one| one.public_key == request.invitation).cloned()
        else {
            return EnrolRefusal::Withdrawn.into();
        };
        let (id, name) = (invitation.id, &invitation.name);
        match self.try_enrol(&invitation, client) {
            Ok(enrolment) => {
                let address = enrolment.added.as_ref().map(|added| added.address);
                match address {
                    Some(address) => {
                        info!(client = name, %address, invitation = %id, %source, pc, "enrolled")
                    }
                    None => info!(client = name, invitation = %id, %source, "told again that it is enrolled"),
                }
                enrolment
            }
            Err(reason) => {
                warn!(invitation = %id, name, %source, pc, key = %client, "not enrolled: {reason}");
                reason.into()
            }
        }
    }

    fn try_enrol(
        &mut self,
        invitation: &StoredInvitation,
        client: &PublicKey,
    ) -> Result<Enrolment, EnrolRefusal> {
        if let Some(again) = self.enrolled_before(invitation, client) {
            return Ok(again);
        }
        let now = now();
        match invitation.status(now) {
            InvitationStatus::Open => {}
            InvitationStatus::Used => return Err(EnrolRefusal::AlreadyUsed),
            InvitationStatus::Expired => return Err(EnrolRefusal::Expired),
            InvitationStatus::Withdrawn => return Err(EnrolRefusal::Withdrawn),
        }
        self.check_key(client)?;
        let address = self.choose(client).ok_or(EnrolRefusal::PoolFull)?;
        let preshared_key = PresharedKey::generate().map_err(|error| {
            warn!("cannot make a preshared key: {error}");
            EnrolRefusal::NotSaved
        })?;
        let stored = self.change(|state| {
            let key = preshared_key.clone();
            state.use_invitation(invitation.id, *client, key, address, now).cloned()
        });
        let stored = stored.map_err(|error| {
            warn!("{error:#}");
            EnrolRefusal::NotSaved
        })?;
        let answer = EnrolAnswer::Enrolled { preshared_key, name: stored.name.clone() };
        Ok(Enrolment { answer, added: Some(entry_of(&stored)) })
    }

    /// The answer that this key got before, while it is still that client's.
    fn enrolled_before(&self, invitation: &StoredInvitation, client: &PublicKey) -> Option<Enrolment> {
        let is_user = matches!(invitation.end, Some(InvitationEnd::Used { by, .. }) if by == *client);
        let stored = self.state.client_by_key(client).filter(|_| is_user)?;
        let preshared_key = stored.preshared_key.clone()?;
        let answer = EnrolAnswer::Enrolled { preshared_key, name: stored.name.clone() };
        (stored.invitation == Some(invitation.id)).then_some(Enrolment { answer, added: None })
    }

    /// A key that nobody can own, or that somebody else is known by.
    fn check_key(&self, client: &PublicKey) -> Result<(), EnrolRefusal> {
        let is_known = *client == self.config.private_key.public_key()
            || self.address_of(client).is_some()
            || self.state.invitations.iter().any(|invitation| invitation.public_key == *client);
        if is_known || client.is_low_order() { Err(EnrolRefusal::KeyRefused) } else { Ok(()) }
    }
}
