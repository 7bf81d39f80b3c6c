//! Another prefix on the uplink in the place of the one that addresses are lent from (RFC 4192): each client keeps
//! its interface identifier, and what stands before that changes. Pure.

use crate::config::Config;
use crate::state::State;
use crate::uplink::{INTERFACE_PREFIX, Uplink, is_global};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use v6tun_host::network::{Prefix, address_flags};
use v6tun_proto::lease::{Pool, PoolPrefix};

/// The prefix that the state's addresses are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct StoredPrefix {
    /// What the file said.
    pub(crate) configured: PoolPrefix,
    /// What was on the uplink.
    pub(crate) lent: PoolPrefix,
}

/// The address of the same place in another prefix; that of another prefix stays as it is.
pub(crate) fn renumbered(address: Ipv6Addr, from: PoolPrefix, to: PoolPrefix) -> Ipv6Addr {
    if from.len != to.len || !from.contains(address) {
        return address;
    }
    Ipv6Addr::from_bits(address.to_bits() ^ from.address.to_bits() ^ to.address.to_bits())
}

/// The prefix in the place of `pool`, where the uplink has that no longer: the one of the address that the kernel
/// prefers. A prefix that is a part of the link's keeps its place in it.
pub(crate) fn successor(pool: PoolPrefix, uplink: &Uplink) -> Option<PoolPrefix> {
    if lives(pool, uplink) {
        return None;
    }
    let preferred = uplink.addresses.iter().filter(|entry| entry.flags & address_flags::DEPRECATED == 0);
    preferred.filter_map(|entry| around(entry.address, pool, uplink)).find(|prefix| lives(*prefix, uplink))
}

/// The pool's place in the link's prefix that the address lies in.
fn around(address: Ipv6Addr, pool: PoolPrefix, uplink: &Uplink) -> Option<PoolPrefix> {
    let on_link = uplink.prefixes.iter().filter(|prefix| prefix.contains(address));
    let len = on_link.map(|prefix| prefix.prefix_len.max(INTERFACE_PREFIX.min(pool.len))).min()?;
    if len > pool.len || !is_global(address) {
        return None;
    }
    let place = pool.address.to_bits() ^ Prefix::of(pool.address, len).address.to_bits();
    let address = Ipv6Addr::from_bits(Prefix::of(address, len).address.to_bits() | place);
    let prefix = PoolPrefix { address, len: pool.len };
    prefix.check().is_ok().then_some(prefix)
}

/// Whether the uplink has it, and not only for a while yet: what a router takes back stays for two hours without being
/// preferred (RFC 4862, section 5.5.3). What somebody set there for good may be so by intent.
fn lives(pool: PoolPrefix, uplink: &Uplink) -> bool {
    let mut holding = uplink
        .prefixes
        .iter()
        .filter(|prefix| prefix.prefix_len <= pool.len && prefix.contains(pool.address));
    holding.any(|prefix| {
        let inside = || uplink.addresses.iter().filter(|entry| prefix.contains(entry.address));
        let is_going =
            inside().all(|entry| entry.flags & address_flags::DEPRECATED != 0 && entry.valid.is_some());
        inside().next().is_none() || !is_going
    })
}

impl Config {
    /// Lends from where the state's addresses are of, if the file's prefix was lent from before and is not on the
    /// uplink any more. A prefix that never was there is left as it stands, to be refused.
    pub(crate) fn follow(&mut self, state: &State, uplink: Option<&Uplink>) {
        let Pool::Derived(configured) = self.pool else { return };
        let Some(stored) = state.prefix.filter(|stored| stored.configured == configured && !self.is_routed)
        else {
            return;
        };
        let today = match uplink {
            None => stored.lent,
            Some(uplink) if lives(configured, uplink) => configured,
            Some(uplink) => successor(stored.lent, uplink).unwrap_or(stored.lent),
        };
        if today == configured {
            return;
        }
        self.pool = Pool::Derived(today);
        self.configured_prefix = Some(configured);
        for fixed in self.clients.iter_mut().filter_map(|client| client.fixed.as_mut()) {
            *fixed = renumbered(*fixed, configured, today);
        }
    }

    /// What to say of a prefix in the place of the file's.
    pub(crate) fn followed(&self) -> Option<String> {
        let configured = self.configured_prefix?;
        let Pool::Derived(today) = self.pool else { return None };
        let path = self.path.display();
        Some(format!(
            "{path} says [pool] prefix = \"{configured}\", which is not on the uplink any more: addresses of {today} are lent"
        ))
    }

    /// What the state is to remember of the prefix.
    pub(crate) fn stored_prefix(&self) -> Option<StoredPrefix> {
        match self.pool {
            Pool::Derived(lent) => {
                Some(StoredPrefix { configured: self.configured_prefix.unwrap_or(lent), lent })
            }
            Pool::Listed(_) => None,
        }
    }
}

impl State {
    /// Moves every address to its place in another prefix; whether there were any.
    pub(crate) fn renumber(&mut self, from: PoolPrefix, to: PoolPrefix) -> bool {
        let mut any = false;
        let of_clients = self.clients.iter_mut().map(|client| &mut client.address);
        for address in of_clients.chain(self.leases.iter_mut().map(|lease| &mut lease.address)) {
            let before = std::mem::replace(address, renumbered(*address, from, to));
            any |= before != *address;
        }
        any
    }
}

#[cfg(test)]
mod tests;
