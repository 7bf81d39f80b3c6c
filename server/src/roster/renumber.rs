//! Another prefix in the place of the one that addresses are lent from, while the server runs.

use super::Roster;
use crate::renumbering::{StoredPrefix, renumbered};
use crate::uplink::Uplink;
use crate::uplink_guard::Unlendable;
use anyhow::Result;
use std::collections::HashSet;
use std::net::Ipv6Addr;
use v6tun_keys::PublicKey;
use v6tun_proto::lease::{Pool, PoolPrefix};

impl Roster<'_> {
    /// The prefix that addresses are lent from, if the link has to have it.
    pub(crate) fn prefix_on_link(&self) -> Option<PoolPrefix> {
        match self.pool {
            Pool::Derived(prefix) if !self.config.is_routed => Some(prefix),
            _ => None,
        }
    }

    /// Lends from another prefix. Every client keeps its identifier, or gets another where the host itself has that
    /// address. Tells whose address has changed, and from what.
    ///
    /// # Errors
    /// When the host's sockets cannot be seen, or the state cannot be saved. Then nothing has changed.
    pub(crate) fn renumber(
        &mut self,
        from: PoolPrefix,
        to: PoolPrefix,
        uplink: &Uplink,
    ) -> Result<Vec<(PublicKey, Ipv6Addr)>> {
        let fixed: Vec<Ipv6Addr> = (self.config.clients.iter().filter_map(|client| client.fixed))
            .map(|address| renumbered(address, from, to))
            .collect();
        let unusable = Unlendable::of(&fixed, uplink)?.all();
        let pool = Pool::Derived(to);
        let before: Vec<(PublicKey, Ipv6Addr)> = self.held().collect();
        let mut taken: HashSet<Ipv6Addr> =
            before.iter().map(|(_, address)| renumbered(*address, from, to)).collect();
        let place = |client: &PublicKey, former: Ipv6Addr, taken: &mut HashSet<Ipv6Addr>| {
            let same = renumbered(former, from, to);
            let other = || pool.candidates(client).take(super::MAX_CANDIDATES);
            let is_free = |address: &Ipv6Addr| !unusable.contains(address) && !taken.contains(address);
            let address = match unusable.contains(&same) {
                true => other().find(is_free).unwrap_or(same),
                false => same,
            };
            taken.insert(address);
            address
        };
        let mut addresses = self.addresses.clone();
        for (client, address) in self.config.clients.iter().zip(&mut addresses) {
            *address = place(&client.public_key, *address, &mut taken);
        }
        self.change(|state| {
            for client in &mut state.clients {
                client.address = place(&client.public_key, client.address, &mut taken);
            }
            for lease in &mut state.leases {
                let of_file = self.config.clients.iter().zip(&addresses);
                let held = of_file.filter(|(client, _)| client.public_key == lease.public_key);
                lease.address = held.map(|(_, address)| *address).next().unwrap_or(lease.address);
            }
            let configured = state.prefix.map_or(from, |stored| stored.configured);
            state.prefix = Some(StoredPrefix { configured, lent: to });
            Ok(())
        })?;
        self.addresses = addresses;
        self.pool = pool;
        self.unusable = unusable;
        self.avoided.clear();
        Ok(before.into_iter().filter(|(client, former)| self.address_of(client) != Some(*former)).collect())
    }
}
