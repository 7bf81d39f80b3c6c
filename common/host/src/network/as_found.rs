//! The host as it would be had v6tun never run, while what it has changed still stands.

use super::address_order::scope_rank;
use super::{Change, Entry, InterfaceAddress, Observed, Proxy, undo};

/// What is observed, with everything taken back that the entries say: on paper only. `observed` must be
/// [`observe_for_undo`](super::Network::observe_for_undo)'s.
///
/// Routes that the kernel adds and removes by itself with an address are not foreseen.
#[must_use]
pub fn as_found(entries: &[Entry], observed: &Observed) -> Observed {
    let mut host = observed.clone();
    for change in undo(entries, observed).changes {
        host.foresee(change);
    }
    host
}

impl Observed {
    /// What a change of an undoing makes of the host.
    fn foresee(&mut self, change: Change) {
        match change {
            Change::SetAllForwarding { to, .. } => {
                let of_all = |key: &super::SysctlKey| matches!(key.as_ipv6_conf(), Some((_, "forwarding")));
                self.sysctls
                    .iter_mut()
                    .filter(|(key, _)| of_all(key))
                    .for_each(|(_, value)| value.clone_from(&to));
            }
            Change::SetSysctl { ref to, .. } | Change::SetLinkForwarding { ref to, .. } => {
                self.sysctls.extend(change.setting().map(|key| (key, to.clone())));
            }
            Change::AddAddress { link, address } | Change::RaiseAddress { link, address, .. } => {
                self.put_in_front(link, address);
            }
            Change::DeleteAddress { link, address, .. } => {
                let list = self.addresses.entry(link).or_default();
                list.retain(|other| other.address != address.address);
            }
            Change::AddRoute(route) => self.routes.push(route),
            Change::DeleteRoute(route) => self.routes.retain(|other| !other.is_same_way_as(&route)),
            Change::AddProxy { link, address } => self.proxies.push(Proxy { link, address }),
            Change::DeleteProxy { link, address } => {
                self.proxies.retain(|other| other.link != link || other.address != address);
            }
            Change::DeleteTun { link } => self.links.retain(|other| other.name != link),
            _ => {}
        }
    }

    /// As the kernel does: in front of the addresses of its scope.
    fn put_in_front(&mut self, link: String, address: InterfaceAddress) {
        let list = self.addresses.entry(link).or_default();
        list.retain(|other| other.address != address.address);
        let rank = scope_rank(address.address);
        let place = list.iter().position(|other| rank >= scope_rank(other.address)).unwrap_or(list.len());
        list.insert(place, address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Link, Phase, Requirement, Route, SysctlKey, plan};

    fn link(index: u32, name: &str) -> Link {
        Link { index, name: name.into(), mtu: 1500, up: true, mac: Vec::new() }
    }

    fn found() -> Observed {
        let addresses = ["2001:db8::3", "2001:db8::2", "2001:db8::1", "fe80::1"];
        let addresses = addresses.map(|text| InterfaceAddress::permanent(text.parse().unwrap(), 64));
        let mut observed = Observed { links: vec![link(2, "ens3")], ..Observed::default() };
        observed.addresses.insert("ens3".into(), addresses.to_vec());
        for (name, value) in [("all", "0"), ("default", "0"), ("ens3", "0"), ("docker0", "1")] {
            observed.sysctls.insert(SysctlKey::forwarding_of(name), value.into());
        }
        let accept_ra = SysctlKey::ipv6_conf("ens3", "accept_ra").unwrap();
        observed.sysctls.insert(accept_ra, "1".into());
        observed
    }

    #[test]
    fn while_addresses_are_lent_the_host_is_seen_as_it_was_found() {
        let found = found();
        let accept_ra = SysctlKey::ipv6_conf("ens3", "accept_ra").unwrap();
        let mut desired = vec![
            Requirement::Sysctl { key: accept_ra, value: "2".into() },
            Requirement::Sysctl { key: SysctlKey::all_forwarding(), value: "1".into() },
        ];
        for address in ["2001:db8::3", "2001:db8::1"].map(|text| text.parse().unwrap()) {
            desired.push(Requirement::Route(Route::to_host(address, "v6tun0")));
            desired.push(Requirement::AddressAbsent { link: "ens3".into(), address });
            desired.push(Requirement::Proxy { link: "ens3".into(), address });
        }
        let mut today = found.clone();
        let mut entries = Vec::new();
        for change in plan(&desired, &found) {
            today.foresee(change.clone());
            entries.push(Entry { at: 0, phase: Phase::Do, change, links: [].into() });
        }
        assert_ne!(today, found, "nothing was changed");
        assert_eq!(as_found(&entries, &today), found);
        assert_eq!(as_found(&[], &today), today);
    }

    #[test]
    fn a_tun_that_was_left_behind_was_not_there() {
        let change = Change::LeaveTun { link: "v6tun0".into(), uplink: "ens3".into() };
        let entry = Entry { at: 0, phase: Phase::Do, change, links: [("v6tun0".into(), 7)].into() };
        let found = found();
        let with_tun = |index| {
            let mut today = found.clone();
            today.links.push(link(index, "v6tun0"));
            today
        };
        assert_eq!(as_found(std::slice::from_ref(&entry), &with_tun(7)), found);
        assert_eq!(as_found(&[entry], &with_tun(8)), with_tun(8), "somebody else's of the same name");
    }
}
