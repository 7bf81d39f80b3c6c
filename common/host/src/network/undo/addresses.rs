//! Rewinding what was done to the addresses, of all links and leases together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use super::Undo;
use crate::network::address_order::{kernel_add, moves, place};
use crate::network::{Change, Entry, InterfaceAddress, Observed, Phase};

/// Per link: its addresses as they would stand without v6tun, as far as the journal has been rewound.
#[derive(Default)]
pub(super) struct AddressRewind {
    now: u64,
    links: BTreeMap<String, LinkAddresses>,
    /// Of each link, the addresses that stay away: they were deleted by changes that are not taken back.
    still_away: BTreeSet<(String, Ipv6Addr)>,
}

struct LinkAddresses {
    order: Vec<Ipv6Addr>,
    /// Everything known of the addresses: as they stand, else as they were last seen, aged since.
    known: BTreeMap<Ipv6Addr, Option<InterfaceAddress>>,
}

impl AddressRewind {
    pub(super) fn new(
        entries: &[Entry],
        observed: &Observed,
        is_taken_back: &impl Fn(&Change) -> bool,
    ) -> Self {
        let links = observed.links.iter().map(|link| {
            let addresses = observed.addresses_of(&link.name);
            let order = addresses.iter().map(|a| a.address).collect();
            let known = addresses.iter().map(|a| (a.address, Some(a.clone()))).collect();
            (link.name.clone(), LinkAddresses { order, known })
        });
        let stands = |link: &str, address| observed.addresses_of(link).iter().any(|a| a.address == address);
        let still_away = entries.iter().filter_map(|entry| match &entry.change {
            Change::DeleteAddress { link, address, .. }
                if !is_taken_back(&entry.change) && !stands(link, address.address) =>
            {
                Some((link.clone(), address.address))
            }
            _ => None,
        });
        Self { now: observed.boot_seconds, links: links.collect(), still_away: still_away.collect() }
    }

    /// Rewinds an entry, if it is one about an address.
    pub(super) fn entry(&mut self, entry: &Entry) {
        match &entry.change {
            Change::AddAddress { link, address } if entry.phase == Phase::Do => self.added(link, address),
            Change::DeleteAddress { link, address, order }
            | Change::RaiseAddress { link, address, order } => {
                self.moved(link, address, order, entry.at);
            }
            _ => {}
        }
    }

    /// The addresses of a link as they would stand without v6tun, those that are away for a while included.
    pub(super) fn order_of(&self, link: &str) -> &[Ipv6Addr] {
        self.links.get(link).map_or(&[], |link| &link.order)
    }

    /// An address was added: without v6tun it would not be there, unless somebody put it there differently.
    fn added(&mut self, link: &str, address: &InterfaceAddress) {
        let Some(link) = self.links.get_mut(link) else { return };
        let stands = link.known.get(&address.address).and_then(Option::as_ref);
        if stands.is_none_or(|found| found.prefix_len == address.prefix_len) {
            link.order.retain(|other| *other != address.address);
        }
    }

    /// An address was deleted, or raised: without v6tun it would stand where it stood.
    fn moved(&mut self, link: &str, address: &InterfaceAddress, order: &[Ipv6Addr], at: u64) {
        let Some(link) = self.links.get_mut(link) else { return };
        let aged = || address.aged(self.now.saturating_sub(at));
        if link.known.entry(address.address).or_insert_with(aged).is_some() {
            place(&mut link.order, address.address, order);
        }
    }

    /// Leads from how the addresses stand to how they would stand.
    pub(super) fn finish(self, observed: &Observed, undo: &mut Undo) {
        for (name, mut link) in self.links {
            link.order.retain(|address| !self.still_away.contains(&(name.clone(), *address)));
            let mut current: Vec<Ipv6Addr> = observed.addresses_of(&name).iter().map(|a| a.address).collect();
            for address in observed.addresses_of(&name) {
                if !link.order.contains(&address.address) {
                    let (address, order) = (address.clone(), current.clone());
                    current.retain(|other| *other != address.address);
                    undo.changes.push(Change::DeleteAddress { link: name.clone(), address, order });
                }
            }
            link.bring_into_order(&name, current, undo);
        }
    }
}

impl LinkAddresses {
    fn bring_into_order(&self, name: &str, mut current: Vec<Ipv6Addr>, undo: &mut Undo) {
        for moved in moves(&current, &self.order) {
            let Some(Some(address)) = self.known.get(&moved) else { continue };
            let (link, address) = (name.to_owned(), address.clone());
            if !current.contains(&moved) {
                note_what_is_lost(&link, &address, undo);
                undo.changes.push(Change::AddAddress { link, address });
            } else if self.can_be_raised(&address) {
                undo.changes.push(Change::RaiseAddress { link, address, order: current.clone() });
            } else {
                undo.notes.push(format!(
                    "{moved} on {link} stays further back than it was: only the kernel can make it or what hangs on it"
                ));
                continue;
            }
            current.retain(|other| *other != moved);
            kernel_add(&mut current, moved);
        }
    }

    /// Whether deleting and adding the address loses nothing.
    fn can_be_raised(&self, address: &InterfaceAddress) -> bool {
        address.is_restorable() && !self.known.values().flatten().any(|other| address.carries(other))
    }
}

fn note_what_is_lost(link: &str, address: &InterfaceAddress, undo: &mut Undo) {
    if !address.is_restorable() {
        let address = address.address;
        undo.notes
            .push(format!("{address} on {link} is no longer marked temporary, stable-privacy or dadfailed"));
    }
}
