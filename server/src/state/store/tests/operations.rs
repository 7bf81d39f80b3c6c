//! Random operations, and a model of what they should do that knows nothing of how it is done.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use rand::prelude::*;
use rand::rngs::SmallRng;
use v6tun_keys::{InvitationId, PublicKey};

use crate::state::tests::{DAY, address, client, id, invitation, key, psk};
use crate::state::{InvitationEnd, Refusal, State, StoredClient, StoredInvitation};

/// One of each that can be asked for, from few names and addresses, so that they meet.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Add { name: String, key: u32, address: u16 },
    Remove { name: String },
    Rename { old: String, new: String },
    Move { name: String, address: u16 },
    Invite { id: u32, name: String },
    Use { id: u32, key: u32, address: u16 },
    Withdraw { id: u32 },
    Prune,
}

/// What somebody is told who asks: clients by name, invitations by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) clients: BTreeMap<String, (PublicKey, Ipv6Addr)>,
    invitations: BTreeMap<InvitationId, Invited>,
}

#[derive(Clone, Debug, PartialEq)]
struct Invited {
    name: String,
    expires: u64,
    used_by: Option<PublicKey>,
    ended: Option<u64>,
}

impl Operation {
    /// Mostly of what there is. `last` is the newest invitation and key so far.
    pub(super) fn random(random: &mut SmallRng, model: &Model, last: &mut u32) -> Self {
        let address = random.random_range(1..30);
        let known = model.clients.keys().choose(random).filter(|_| random.random_ratio(7, 8));
        let known = known.cloned().unwrap_or_else(|| name(random));
        let key = if random.random_ratio(1, 3) { random.random_range(1..20) } else { 20 + *last };
        let recent = random.random_range(last.saturating_sub(4)..=*last);
        match random.random_range(0..16) {
            0 | 1 => Self::Add { name: name(random), key, address },
            2 => Self::Remove { name: known },
            3 | 4 => Self::Rename { old: known, new: name(random) },
            5 | 6 => Self::Move { name: known, address },
            7..=9 => {
                *last += 1;
                Self::Invite { id: *last, name: name(random) }
            }
            10..=13 => Self::Use { id: recent, key, address },
            14 => Self::Withdraw { id: recent },
            _ => Self::Prune,
        }
    }

    pub(super) fn carry_out(&self, state: &mut State, now: u64) -> Result<(), Refusal> {
        match self {
            Self::Add { name, key: number, address: place } => state.add_client(StoredClient {
                public_key: key(*number),
                since: now,
                ..client(name, *place)
            }),
            Self::Remove { name } => state.remove_client(name).map(drop),
            Self::Rename { old, new } => state.rename_client(old, new, now),
            Self::Move { name, address: place } => state.set_address(name, address(*place)).map(drop),
            Self::Invite { id, name } => state.open_invitation(StoredInvitation {
                created: now,
                expires: now + 10 * DAY,
                ..invitation(name, *id)
            }),
            Self::Use { id: number, key: k, address: place } => {
                state.use_invitation(id(*number), key(*k), psk(1), address(*place), now).map(drop)
            }
            Self::Withdraw { id: number } => state.withdraw(id(*number), now),
            Self::Prune => {
                state.prune(now);
                Ok(())
            }
        }
    }
}

impl Model {
    /// What the model makes of a state.
    pub(super) fn of(state: &State) -> Self {
        let clients = state.clients.iter();
        let invitations = state.invitations.iter().map(|invitation| {
            let (used_by, ended) = match invitation.end {
                Some(InvitationEnd::Used { by, at }) => (Some(by), Some(at)),
                Some(InvitationEnd::Withdrawn { at }) => (None, Some(at)),
                None => (None, None),
            };
            let (name, expires) = (invitation.name.clone(), invitation.expires);
            (invitation.id, Invited { name, expires, used_by, ended })
        });
        Self {
            clients: clients.map(|c| (c.name.clone(), (c.public_key, c.address))).collect(),
            invitations: invitations.collect(),
        }
    }

    /// Whether it is granted; if not, nothing has changed.
    pub(super) fn carry_out(&mut self, operation: &Operation, now: u64) -> bool {
        match operation {
            Operation::Add { name, key: number, address: place } => {
                self.is_free(name, now) && self.admit(name, key(*number), address(*place))
            }
            Operation::Remove { name } => self.clients.remove(name).is_some(),
            Operation::Rename { old, new } => {
                let granted = self.clients.contains_key(old) && self.is_free(new, now);
                if let Some(client) = self.clients.remove(old).filter(|_| granted) {
                    self.clients.insert(new.clone(), client);
                }
                granted
            }
            Operation::Move { name, address: place } => self.relocate(name, address(*place)),
            Operation::Invite { id: number, name } => {
                let invited =
                    Invited { name: name.clone(), expires: now + 10 * DAY, used_by: None, ended: None };
                self.is_free(name, now) && self.invitations.insert(id(*number), invited).is_none()
            }
            Operation::Use { id: number, key: k, address: place } => {
                self.enrol(id(*number), key(*k), address(*place), now)
            }
            Operation::Withdraw { id: number } => self.end(id(*number), None, now),
            Operation::Prune => {
                let end = |invited: &Invited| invited.ended.unwrap_or(invited.expires);
                self.invitations.retain(|_, invited| now < end(invited) + 30 * DAY);
                true
            }
        }
    }

    fn is_free(&self, name: &str, now: u64) -> bool {
        let promises = |invited: &Invited| invited.name == name && invited.is_open(now);
        !self.clients.contains_key(name) && !self.invitations.values().any(promises)
    }

    fn admit(&mut self, name: &str, key: PublicKey, address: Ipv6Addr) -> bool {
        let is_new = self.clients.values().all(|(known, held)| *known != key && *held != address);
        if is_new {
            self.clients.insert(name.to_owned(), (key, address));
        }
        is_new
    }

    fn relocate(&mut self, name: &str, address: Ipv6Addr) -> bool {
        let is_taken = self.clients.iter().any(|(other, (_, held))| other != name && *held == address);
        match self.clients.get_mut(name) {
            Some(client) if !is_taken => client.1 = address,
            _ => return false,
        }
        true
    }

    fn enrol(&mut self, id: InvitationId, key: PublicKey, address: Ipv6Addr, now: u64) -> bool {
        let Some(invited) = self.invitations.get(&id).cloned() else { return false };
        if invited.used_by == Some(key) {
            return self.clients.values().any(|(known, _)| *known == key);
        }
        invited.is_open(now) && self.admit(&invited.name, key, address) && self.end(id, Some(key), now)
    }

    fn end(&mut self, id: InvitationId, used_by: Option<PublicKey>, now: u64) -> bool {
        match self.invitations.get_mut(&id) {
            Some(invited) if invited.is_open(now) => {
                (invited.used_by, invited.ended) = (used_by, Some(now));
                true
            }
            _ => false,
        }
    }
}

impl Invited {
    fn is_open(&self, now: u64) -> bool {
        self.ended.is_none() && now < self.expires
    }
}

fn name(random: &mut SmallRng) -> String {
    format!("pc-{}", random.random_range(0..24))
}
