//! From what must be and what is to what is to be done.

use std::collections::BTreeMap;

use super::{
    Change, FirewallRule, InterfaceAddress, Observed, Proxy, Requirement, SeenTable, SourcedRoute, SysctlKey,
};

/// The changes that make every requirement true, in the order of the requirements; what is so already yields
/// none. A proxy entry that is added is announced at once. Firewall rules that are no longer required go last of all.
#[must_use]
pub fn plan(desired: &[Requirement], observed: &Observed) -> Vec<Change> {
    let mut planner = Planner { state: observed.clone(), changes: Vec::new(), rules: BTreeMap::new() };
    for requirement in desired {
        planner.require(requirement);
    }
    planner.delete_surplus_rules();
    planner.changes
}

/// The changes so far, and the state that they lead to: later requirements are compared with that.
struct Planner<'a> {
    state: Observed,
    changes: Vec<Change>,
    /// By interface, the firewall rules that it shall have.
    rules: BTreeMap<&'a str, &'a [FirewallRule]>,
}

impl<'a> Planner<'a> {
    fn require(&mut self, requirement: &'a Requirement) {
        match requirement {
            Requirement::Sysctl { key, value } => self.require_sysctl(key, value),
            Requirement::AddressAbsent { link, address } => {
                let order = self.state.addresses_of(link).iter().map(|a| a.address).collect::<Vec<_>>();
                let list = self.state.addresses.entry(link.clone()).or_default();
                let (gone, stay) = std::mem::take(list).into_iter().partition(|a| a.address == *address);
                *list = stay;
                let gone: Vec<InterfaceAddress> = gone;
                if !gone.is_empty() {
                    self.lose_route_sources(link, *address);
                }
                self.changes.extend(gone.into_iter().map(|address| Change::DeleteAddress {
                    link: link.clone(),
                    address,
                    order: order.clone(),
                }));
            }
            Requirement::AddressPresent { link, address, prefix_len } => {
                if !self.state.addresses_of(link).iter().any(|a| a.address == *address) {
                    let address = InterfaceAddress::permanent(*address, *prefix_len);
                    self.state.addresses.entry(link.clone()).or_default().insert(0, address.clone());
                    self.changes.push(Change::AddAddress { link: link.clone(), address });
                }
            }
            Requirement::LinkUp { link, mtu } => {
                if !self.state.link(link).is_some_and(|found| found.up && found.mtu == *mtu) {
                    self.changes.push(Change::SetLinkUp { link: link.clone(), mtu: *mtu });
                }
            }
            Requirement::Route(route) => {
                if !self.state.routes.iter().any(|found| found.is_same_way_as(route)) {
                    self.state.routes.push(route.clone());
                    self.changes.push(Change::AddRoute(route.clone()));
                }
            }
            Requirement::Proxy { link, address } => self.require_proxy(link, *address),
            Requirement::InterfaceMetric { link, metric } => {
                let from = self.state.metrics.insert(link.clone(), Some(*metric)).flatten();
                if from != Some(*metric) {
                    self.changes.push(Change::SetInterfaceMetric {
                        link: link.clone(),
                        from,
                        to: Some(*metric),
                    });
                }
            }
            Requirement::NameServers { link, servers } => {
                let from = self.state.name_servers.insert(link.clone(), servers.clone()).unwrap_or_default();
                if from != *servers {
                    let (link, to) = (link.clone(), servers.clone());
                    self.changes.push(Change::SetNameServers { link, from, to });
                }
            }
            Requirement::FilterTable(table) => {
                let wanted = SeenTable::AsSet(table.clone());
                if self.state.filter_tables.insert(table.name.clone(), wanted.clone()) != Some(wanted) {
                    self.changes.push(Change::SetFilterTable(table.clone()));
                }
            }
            Requirement::ForwardingOpen { link } => {
                let closed = self.state.closed_chains.extract_if(.., |chain| chain.link == *link);
                self.changes.extend(closed.map(Change::OpenChain));
            }
            Requirement::FirewallRules { interface, rules } => self.require_rules(interface, rules),
        }
    }

    /// What the kernel does to routes when their source goes from the link.
    fn lose_route_sources(&mut self, link: &str, source: std::net::Ipv6Addr) {
        let routes = std::mem::take(&mut self.state.sourced_routes);
        let (lost, kept) = routes.into_iter().partition(|r| r.link == link && r.source == source);
        self.state.sourced_routes = kept;
        let lost: Vec<SourcedRoute> = lost;
        self.changes.extend(lost.into_iter().map(Change::LoseRouteSource));
    }

    fn require_sysctl(&mut self, key: &SysctlKey, value: &str) {
        let from = self.state.sysctl(key).map(str::to_owned);
        if from.as_deref() == Some(value) {
            return;
        }
        let to = value.to_owned();
        let change = match (from, self.as_link_forwarding(key)) {
            (Some(from), _) if key.is_all_forwarding() => {
                let links = self.state.forwarding_by_link();
                for link in links.keys() {
                    self.state.sysctls.insert(SysctlKey::forwarding_of(link), to.clone());
                }
                Change::SetAllForwarding { from, to: to.clone(), links }
            }
            (Some(from), Some((link, all))) => Change::SetLinkForwarding { link, from, to: to.clone(), all },
            (from, _) => Change::SetSysctl { key: key.clone(), from, to: to.clone() },
        };
        self.state.sysctls.insert(key.clone(), to);
        self.changes.push(change);
    }

    /// The link, if this is its `forwarding`, and the value of `all`'s.
    fn as_link_forwarding(&self, key: &SysctlKey) -> Option<(String, String)> {
        let (link, name) = key.as_ipv6_conf()?;
        let all = self.state.sysctl(&SysctlKey::all_forwarding())?;
        (name == "forwarding").then(|| (link.to_owned(), all.to_owned()))
    }

    /// What is missing. What is too many guards an address that may still stand, so that it goes
    /// [last](Self::delete_surplus_rules): nothing is open for a moment that shall be closed.
    fn require_rules(&mut self, interface: &'a str, rules: &'a [FirewallRule]) {
        self.rules.insert(interface, rules);
        for rule in rules {
            if !self.state.firewall_rules.contains(rule) {
                self.state.firewall_rules.push(rule.clone());
                self.changes.push(Change::AddFirewallRule(rule.clone()));
            }
        }
    }

    fn delete_surplus_rules(&mut self) {
        let rules = std::mem::take(&mut self.rules);
        let is_surplus = |rule: &FirewallRule| {
            rules.get(rule.interface.as_str()).is_some_and(|wanted| !wanted.contains(rule))
        };
        let surplus = self.state.firewall_rules.extract_if(.., |rule| is_surplus(rule));
        self.changes.extend(surplus.map(Change::DeleteFirewallRule));
    }

    fn require_proxy(&mut self, link: &str, address: std::net::Ipv6Addr) {
        let proxy = Proxy { link: link.to_owned(), address };
        if !self.state.proxies.contains(&proxy) {
            self.changes.push(Change::AddProxy { link: link.to_owned(), address });
            self.changes.push(Change::Announce { link: link.to_owned(), address });
            self.state.proxies.push(proxy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Link, ROUTE_PROTOCOL, Route};

    const LENT: &str = "2001:db8::2330";

    fn key(link: &str, name: &str) -> SysctlKey {
        SysctlKey::ipv6_conf(link, name).unwrap()
    }

    fn uplink() -> Observed {
        let mut observed = Observed::default();
        observed.links.push(Link { index: 2, name: "ens3".into(), mtu: 1500, up: true, mac: vec![2; 6] });
        let addresses = ["2001:db8::2331", LENT, "fe80::1"];
        let addresses = addresses.map(|a| InterfaceAddress::permanent(a.parse().unwrap(), 64));
        observed.addresses.insert("ens3".into(), addresses.to_vec());
        for (link, name, value) in [
            ("all", "forwarding", "0"),
            ("default", "forwarding", "0"),
            ("ens3", "forwarding", "0"),
            ("docker0", "forwarding", "1"),
            ("ens3", "accept_ra", "1"),
        ] {
            observed.sysctls.insert(key(link, name), value.into());
        }
        observed
    }

    fn lease() -> Vec<Requirement> {
        let address = LENT.parse().unwrap();
        vec![
            Requirement::Sysctl { key: key("ens3", "accept_ra"), value: "2".into() },
            Requirement::Sysctl { key: SysctlKey::all_forwarding(), value: "1".into() },
            Requirement::Sysctl { key: key("ens3", "forwarding"), value: "1".into() },
            Requirement::AddressAbsent { link: "ens3".into(), address },
            Requirement::Route(Route::to_host(address, "v6tun0")),
            Requirement::Proxy { link: "ens3".into(), address },
        ]
    }

    #[test]
    fn a_lease_is_planned_in_the_order_of_its_requirements() {
        let commands: Vec<String> = plan(&lease(), &uplink()).iter().map(Change::linux_command).collect();
        assert_eq!(
            commands,
            [
                "sysctl -w net.ipv6.conf.ens3.accept_ra=2",
                "sysctl -w net.ipv6.conf.all.forwarding=1",
                "ip -6 addr del 2001:db8::2330/64 dev ens3",
                &format!("ip -6 route add 2001:db8::2330/128 dev v6tun0 proto {ROUTE_PROTOCOL}"),
                "ip -6 neigh add proxy 2001:db8::2330 dev ens3",
                "# unsolicited neighbour advertisement for 2001:db8::2330 on ens3",
            ]
        );
    }

    #[test]
    fn writing_all_forwarding_remembers_what_it_overwrites() {
        let changes = plan(&lease(), &uplink());
        let Some(Change::SetAllForwarding { from, links, .. }) = changes.get(1) else {
            panic!("not {changes:?}");
        };
        assert_eq!(from, "0");
        let links: Vec<(&str, &str)> = links.iter().map(|(l, v)| (l.as_str(), v.as_str())).collect();
        assert_eq!(links, [("default", "0"), ("docker0", "1"), ("ens3", "0")]);
    }

    #[test]
    fn what_is_so_already_yields_nothing() {
        let mut observed = uplink();
        for link in ["all", "default", "ens3", "docker0"] {
            observed.sysctls.insert(key(link, "forwarding"), "1".into());
        }
        observed.sysctls.insert(key("ens3", "accept_ra"), "2".into());
        observed.addresses.entry("ens3".into()).or_default().retain(|a| a.address.to_string() != LENT);
        let address = LENT.parse().unwrap();
        let route = Route::to_host(address, "v6tun0");
        observed.routes.push(Route { metric: route.effective_metric(), ..route });
        observed.proxies.push(Proxy { link: "ens3".into(), address });
        assert_eq!(plan(&lease(), &observed), []);
    }
}
