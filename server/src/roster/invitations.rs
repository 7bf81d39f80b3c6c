//! Orders about invitations.

use super::{Effect, Roster, now};
use crate::order::{Answer, InvitationInfo, NewInvitation};
use crate::state::{InvitationEnd, InvitationStatus, StoredInvitation};
use anyhow::Result;
use std::collections::HashSet;
use std::net::Ipv6Addr;
use tracing::info;
use v6tun_cli::Failure;
use v6tun_keys::InvitationId;
use v6tun_proto::InvitationEntry;

impl Roster<'_> {
    pub(super) fn list_invitations(&self) -> Vec<InvitationInfo> {
        let now = now();
        self.state.invitations.iter().map(|invitation| info_of(invitation, now)).collect()
    }

    pub(super) fn invite(&mut self, new: NewInvitation) -> Result<(Answer, Effect)> {
        self.refuse_configured_name(&new.name)?;
        self.refuse_without_room(&new.name)?;
        let NewInvitation { id, name, public_key, preshared_key, expires } = new;
        let created = now();
        let invitation =
            StoredInvitation { id, name, public_key, preshared_key, created, expires, end: None };
        // Nobody can read the earlier one again: who asks for another has lost it.
        let earlier = self.state.open_invitation_for(&invitation.name, created).map(|earlier| earlier.id);
        self.change(|state| {
            if let Some(earlier) = earlier {
                state.withdraw(earlier, created)?;
            }
            state.open_invitation(invitation.clone())
        })?;
        if let Some(earlier) = earlier {
            info!(id = %earlier, name = invitation.name, "withdrawn, as another takes its place");
        }
        info!(%id, name = invitation.name, "invited");
        let entry = InvitationEntry { public_key, preshared_key: invitation.preshared_key.clone() };
        Ok((Answer::Invitation(info_of(&invitation, created)), Effect::Invited(entry)))
    }

    /// An invitation promises an address; one that takes the place of another promises the same.
    pub(super) fn refuse_without_room(&self, name: &str) -> Result<()> {
        let now = now();
        let is_promise =
            |one: &&StoredInvitation| one.status(now) == InvitationStatus::Open && one.name != *name;
        let promised = self.state.invitations.iter().filter(is_promise);
        let taken = self.held().map(|(_, address)| address).chain(self.unusable.iter().copied());
        let taken: HashSet<Ipv6Addr> = taken.filter(|address| self.pool.contains(*address)).collect();
        let used = promised.count() + taken.len();
        match self.pool.capacity() {
            Some(capacity) if used >= capacity => Err(self.pool_is_full()),
            _ => Ok(()),
        }
    }

    pub(super) fn withdraw(&mut self, which: &str) -> Result<(Answer, Effect)> {
        let now = now();
        let id = match which.parse::<InvitationId>() {
            Ok(id) if self.state.invitation(id).is_some() => id,
            _ => self.named(which, now)?,
        };
        self.change(|state| state.withdraw(id, now))?;
        info!(%id, "withdrawn");
        let invitation = self.state.invitation(id).map(|invitation| info_of(invitation, now));
        // It stays known to the tunnel: who uses it is told.
        let invitation = invitation.ok_or_else(|| Failure::failed("the invitation has gone"))?;
        Ok((Answer::Invitation(invitation), Effect::None))
    }

    /// The open one of that name; or else the last, so that it can be said why it cannot be withdrawn.
    fn named(&self, name: &str, now: u64) -> Result<InvitationId> {
        let open = self.state.open_invitation_for(name, now);
        let last = || self.state.invitations.iter().rev().find(|invitation| invitation.name == name);
        open.or_else(last).map(|invitation| invitation.id).ok_or_else(|| {
            let hint = "`v6tun-server invitation list` shows them";
            Failure::failed(format!("there is no invitation {name:?}")).with_hint(hint).into()
        })
    }
}

fn info_of(invitation: &StoredInvitation, now: u64) -> InvitationInfo {
    InvitationInfo {
        id: invitation.id,
        name: invitation.name.clone(),
        status: invitation.status(now),
        created: invitation.created,
        expires: invitation.expires,
        ended: match invitation.end {
            Some(InvitationEnd::Used { at, .. } | InvitationEnd::Withdrawn { at }) => Some(at),
            None => None,
        },
    }
}
