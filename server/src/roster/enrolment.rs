//! A visitor asks to become a client.

use super::{Roster, entry_of, now};
use crate::state::{InvitationEnd, InvitationStatus, StoredInvitation};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};
use tracing::{info, warn};
use v6tun_keys::{InvitationId, PresharedKey, PublicKey};
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
    /// An address of which `is_usable` says no is passed over.
    pub(crate) fn enrol(&mut self, request: &Request, is_usable: impl Fn(Ipv6Addr) -> bool) -> Enrolment {
        let Request { client, source, name: pc, .. } = request;
        let invitations = self.state.invitations.iter();
        let Some(invitation) = invitations.clone().find(|one| one.public_key == request.invitation).cloned()
        else {
            return EnrolRefusal::Withdrawn.into();
        };
        let (id, name) = (invitation.id, &invitation.name);
        match self.try_enrol(&invitation, client, is_usable) {
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
                if self.refusals.is_worth_telling(id, source.ip()) {
                    warn!(invitation = %id, name, %source, pc, key = %client, "not enrolled: {reason}");
                }
                reason.into()
            }
        }
    }

    fn try_enrol(
        &mut self,
        invitation: &StoredInvitation,
        client: &PublicKey,
        is_usable: impl Fn(Ipv6Addr) -> bool,
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
        if self.has_all_clients() {
            return Err(EnrolRefusal::PoolFull);
        }
        let address = self.choose_where(client, is_usable).ok_or(EnrolRefusal::PoolFull)?;
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
        if is_known || client.is_low_order() || !client.is_canonical() {
            Err(EnrolRefusal::KeyRefused)
        } else {
            Ok(())
        }
    }
}

/// What was told of refusals: whoever has an invitation that has ended must not fill the log with it.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Since when, and how often.
    told: HashMap<(InvitationId, IpAddr), (Instant, u32)>,
}

impl Refusals {
    const MINUTE: Duration = Duration::from_secs(60);
    /// So often each invitation and address is told of in a minute.
    const EACH: u32 = 4;
    /// And so many of them at the most: beyond that nothing is told until there is room.
    const MOST: usize = 64;

    fn is_worth_telling(&mut self, id: InvitationId, source: IpAddr) -> bool {
        let now = Instant::now();
        self.told.retain(|_, (since, _)| now.saturating_duration_since(*since) < Self::MINUTE);
        let is_new = !self.told.contains_key(&(id, source));
        if is_new && self.told.len() >= Self::MOST {
            return false;
        }
        let (_, times) = self.told.entry((id, source)).or_insert((now, 0));
        *times = times.saturating_add(1);
        *times <= Self::EACH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_told_of_a_few_times_and_many_sources_only_so_often() {
        let mut refusals = Refusals::default();
        let id = InvitationId::from_bytes([1; 4]);
        let source = |n: u32| IpAddr::from((0xc000_0200_u32 + n).to_be_bytes());
        assert_eq!((0..1000).filter(|_| refusals.is_worth_telling(id, source(1))).count(), 4);
        assert_eq!(
            (0..1000).filter(|n| refusals.is_worth_telling(id, source(*n))).count(),
            Refusals::MOST - 1
        );
    }
}
