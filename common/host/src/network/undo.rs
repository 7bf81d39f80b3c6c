//! From the journal and what is to what is to be undone.
//!
//! Every entry is rewound on a picture of the host, newest first. What the picture ends up as is how the host
//! would stand had v6tun never run, and the difference to what is are the changes. So it does not matter how
//! often, or how far, an undoing ran before. What somebody else changed since is left alone: a setting that
//! no longer has the value that was written, a route or a proxy entry that is gone, an address that is back.

mod addresses;
mod strike;
mod sysctls;
mod windows;

use std::collections::BTreeSet;

use self::addresses::AddressRewind;
pub(super) use self::strike::strike_out;
use self::sysctls::SysctlRewind;
use self::windows::WindowsRewind;
use super::link_names::{note_lost_links, with_todays_names};
use super::{Change, Entry, InterfaceAddress, Observed, Phase, SourcedRoute};

/// What gives the host back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undo {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// What is not given back as it was, and why: for the log.
    pub notes: Vec<String>,
}

/// The changes that take back what the entries (oldest first, as [`Journal`](super::Journal) has them) say was
/// done, as far as it is still so. `observed` must hold the settings that the entries name.
///
/// Carried out wholly, it leaves nothing for a second call to do; stopped at any change, the next call does
/// the rest.
#[must_use]
pub fn undo(entries: &[Entry], observed: &Observed) -> Undo {
    undo_some(entries, observed, |_| true)
}

/// As [`undo`], but takes back only the changes that `is_of` names; the others stay in force. The addresses that were
/// lent stand in relation to each other, so that their whole history is rewound all the same: what is aimed at is how
/// they would stand without v6tun, less those that are still away.
pub(super) fn undo_some(entries: &[Entry], observed: &Observed, is_of: impl Fn(&Change) -> bool) -> Undo {
    let entries = &with_todays_names(entries, &observed.links);
    let mut rewind = Rewind::new(entries, observed, &is_of);
    for (i, entry) in entries.iter().enumerate().rev() {
        if is_of(&entry.change) {
            rewind.entry(entry);
        } else if !matches!(entry.change, Change::AddAddress { .. }) {
            rewind.addresses.entry(entry);
        }
        if rewind.first_address_change == Some(i) {
            let addresses = std::mem::take(&mut rewind.addresses);
            addresses.finish(observed, &mut rewind.undo);
            rewind.give_route_sources();
        }
    }
    rewind.windows.finish(observed, &mut rewind.undo);
    rewind.undo.changes.append(&mut rewind.last);
    rewind.undo
}

/// The journal as far as it has been rewound.
struct Rewind<'a> {
    observed: &'a Observed,
    sysctls: SysctlRewind,
    addresses: AddressRewind,
    windows: WindowsRewind,
    /// Where the address changes of all entries are undone together: what lies on the way to a lent address has
    /// been removed by then, and the settings that it was lent under are still in force.
    first_address_change: Option<usize>,
    /// The routes that lost their source with an address.
    sourced_routes: Vec<&'a SourcedRoute>,
    /// What goes last of all: the firewall rules, as until then the addresses may stand that they guard, and a tun that
    /// was left behind, as the kernel takes with it what stands on it.
    last: Vec<Change>,
    undo: Undo,
}

impl<'a> Rewind<'a> {
    fn new(entries: &'a [Entry], observed: &'a Observed, is_of: &impl Fn(&Change) -> bool) -> Self {
        let is_address = |entry: &Entry| {
            matches!(
                entry.change,
                Change::AddAddress { .. }
                    | Change::DeleteAddress { .. }
                    | Change::RaiseAddress { .. }
                    | Change::LoseRouteSource(_)
            )
        };
        let own_links: BTreeSet<String> = entries
            .iter()
            .filter_map(|entry| match &entry.change {
                Change::SetLinkUp { link, .. } => Some(link.clone()),
                _ => None,
            })
            .collect();
        let mut undo = Undo::default();
        let taken_back = entries.iter().filter(|entry| is_of(&entry.change));
        note_lost_links(taken_back, &observed.links, |link| own_links.contains(link), &mut undo);
        Self {
            observed,
            sysctls: SysctlRewind::new(observed, own_links),
            addresses: AddressRewind::new(entries, observed, is_of),
            windows: WindowsRewind::new(observed),
            first_address_change: entries.iter().position(is_address),
            sourced_routes: Vec::new(),
            last: Vec::new(),
            undo,
        }
    }

    fn entry(&mut self, entry: &'a Entry) {
        match &entry.change {
            Change::SetSysctl { key, from, to } if entry.phase == Phase::Do => {
                self.sysctls.set(key, from.as_deref(), to, &mut self.undo);
            }
            Change::SetAllForwarding { from, to, links } => {
                self.sysctls.all_forwarding(entry.phase, from, to, links, &mut self.undo);
            }
            Change::SetLinkForwarding { link, from, to, all } if entry.phase == Phase::Do => {
                self.sysctls.link_forwarding(link, from, to, all, &mut self.undo);
            }
            Change::AddAddress { .. } | Change::DeleteAddress { .. } | Change::RaiseAddress { .. } => {
                self.addresses.entry(entry);
            }
            Change::SetInterfaceMetric { .. } | Change::SetNameServers { .. } if entry.phase == Phase::Do => {
                self.windows.change(&entry.change);
            }
            Change::LoseRouteSource(route) => self.sourced_routes.push(route),
            Change::LeaveTun { link, .. } if entry.is_still_there(link, &self.observed.links) => {
                self.take_back(&entry.change);
            }
            change if entry.phase == Phase::Do && self.is_still_so(change) => self.take_back(change),
            _ => {}
        }
    }

    /// Whether a change of a route, a proxy entry or a firewall rule is still in force.
    fn is_still_so(&self, change: &Change) -> bool {
        let proxied = |link: &str, address| {
            self.observed.proxies.iter().any(|found| found.link == link && found.address == address)
        };
        match change {
            Change::AddRoute(route) => self
                .observed
                .routes
                .iter()
                .any(|found| found.is_same_way_as(route) && found.protocol == route.protocol),
            Change::DeleteRoute(route) => {
                !self.observed.routes.iter().any(|found| found.is_same_way_as(route))
                    && route.link.as_ref().is_none_or(|link| self.observed.link(link).is_some())
            }
            Change::AddProxy { link, address } => proxied(link, *address),
            Change::AddFirewallRule(rule) => self.observed.firewall_rules.contains(rule),
            Change::OpenChain(opening) => self.observed.opened_chains.contains(opening),
            Change::SetFilterTable(table) => self.observed.filter_tables.contains_key(&table.name),
            Change::DeleteProxy { link, address } => {
                !proxied(link, *address) && self.observed.link(link).is_some()
            }
            _ => false,
        }
    }

    /// Names the addresses that are back in the routes that named them before, and that nobody has touched.
    fn give_route_sources(&mut self) {
        for route in std::mem::take(&mut self.sourced_routes) {
            if !self.observed.sourceless_ways.contains(&route.way) {
                continue;
            }
            let stands = |address: &InterfaceAddress| address.address == route.source;
            let comes = self.undo.changes.iter().any(
                |change| matches!(change, Change::AddAddress { link, address } if *link == route.link && stands(address)),
            );
            if comes || self.observed.addresses_of(&route.link).iter().any(stands) {
                self.take_back(&Change::LoseRouteSource(route.clone()));
            } else {
                let SourcedRoute { text, source, .. } = route;
                self.undo
                    .notes
                    .push(format!("the route {text} no longer names src {source}: the address is not back"));
            }
        }
    }

    fn take_back(&mut self, change: &Change) {
        let Some(inverse) = change.inverse() else { return };
        let changes = match inverse {
            Change::DeleteFirewallRule(_) | Change::DeleteTun { .. } => &mut self.last,
            _ => &mut self.undo.changes,
        };
        if !changes.contains(&inverse) {
            changes.push(inverse);
        }
    }
}

#[cfg(test)]
mod tests;
