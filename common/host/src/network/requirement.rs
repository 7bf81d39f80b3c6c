//! What must be true of the host.

use std::net::Ipv6Addr;

use super::{Change, FilterTable, FirewallRule, Route, SysctlKey};

/// One thing that must be true. The order of a slice of them is the order in which they are made true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// The setting has this value.
    Sysctl {
        /// Which setting.
        key: SysctlKey,
        /// Its value, without white space around it.
        value: String,
    },
    /// The address does not stand on the link.
    AddressAbsent {
        /// The link's name.
        link: String,
        /// The address, of whatever prefix length.
        address: Ipv6Addr,
    },
    /// The address stands on the link.
    AddressPresent {
        /// The link's name.
        link: String,
        /// The address.
        address: Ipv6Addr,
        /// 0 to 128.
        prefix_len: u8,
    },
    /// The link is up and has this MTU; where that is to be made so, it comes into [v6tun's group](super::LINK_GROUP).
    LinkUp {
        /// The link's name. It is taken for the program's own: nothing is undone to it.
        link: String,
        /// In bytes, at least 1280.
        mtu: u32,
    },
    /// The link has this metric among the IPv6 links, the lower wins (Windows).
    InterfaceMetric {
        /// The link's name.
        link: String,
        /// 1 and more.
        metric: u32,
    },
    /// The link has these IPv6 name servers and no others (Windows).
    NameServers {
        /// The link's name.
        link: String,
        /// In the order of their use.
        servers: Vec<Ipv6Addr>,
    },
    /// The interface has these rules of v6tun's in the firewall and no others (Windows).
    FirewallRules {
        /// The tunnel's interface.
        interface: String,
        /// In any order.
        rules: Vec<FirewallRule>,
    },
    /// The table stands in nftables as it is here (Linux).
    FilterTable(FilterTable),
    /// No chain of somebody else's firewall drops what is forwarded from or to the link (Linux).
    ForwardingOpen {
        /// The link's name.
        link: String,
    },
    /// The route is in the main table.
    Route(Route),
    /// The kernel answers neighbour solicitations for the address on the link.
    Proxy {
        /// The link's name.
        link: String,
        /// The address.
        address: Ipv6Addr,
    },
}

impl Requirement {
    /// Whether the change was made so that this is true. A tun that was left behind is still the link that is up.
    #[must_use]
    pub fn is_served_by(&self, change: &Change) -> bool {
        match (self, change) {
            (
                Self::Sysctl { key, value },
                Change::SetSysctl { to, .. }
                | Change::SetAllForwarding { to, .. }
                | Change::SetLinkForwarding { to, .. },
            ) => to == value && change.setting().as_ref() == Some(key),
            (
                Self::AddressAbsent { link, address },
                Change::DeleteAddress { link: from, address: gone, .. },
            ) => link == from && *address == gone.address,
            (Self::AddressAbsent { link, address }, Change::LoseRouteSource(route)) => {
                *link == route.link && *address == route.source
            }
            (Self::AddressPresent { link, address, .. }, Change::AddAddress { link: on, address: added }) => {
                link == on && *address == added.address
            }
            (
                Self::LinkUp { link, .. },
                Change::SetLinkUp { link: up, .. } | Change::LeaveTun { link: up, .. },
            ) => link == up,
            (Self::InterfaceMetric { link, .. }, Change::SetInterfaceMetric { link: of, .. })
            | (Self::NameServers { link, .. }, Change::SetNameServers { link: of, .. }) => link == of,
            (Self::FirewallRules { rules, .. }, Change::AddFirewallRule(rule)) => rules.contains(rule),
            (Self::FilterTable(table), Change::SetFilterTable(set)) => table.name == set.name,
            (Self::ForwardingOpen { link }, Change::OpenChain(opening)) => *link == opening.link,
            (Self::Route(route), Change::AddRoute(added)) => added.is_same_way_as(route),
            (Self::Proxy { link, address }, Change::AddProxy { link: on, address: added }) => {
                link == on && address == added
            }
            _ => false,
        }
    }

    /// Follows a link that has another name now.
    pub fn rename_link(&mut self, from: &str, to: &str) {
        let name = match self {
            Self::Sysctl { key, .. } => key.link_mut(),
            Self::Route(route) => route.link.as_mut(),
            Self::AddressAbsent { link, .. }
            | Self::AddressPresent { link, .. }
            | Self::LinkUp { link, .. }
            | Self::InterfaceMetric { link, .. }
            | Self::NameServers { link, .. }
            | Self::FirewallRules { interface: link, .. }
            | Self::ForwardingOpen { link }
            | Self::Proxy { link, .. } => Some(link),
            // Its rules are made anew.
            Self::FilterTable(_) => None,
        };
        if let Some(name) = name.filter(|name| *name == from) {
            to.clone_into(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{InterfaceAddress, RouteKind, SourcedRoute};

    const LENT: &str = "2001:db8::2330";

    #[test]
    fn a_change_serves_what_it_was_made_for_and_nothing_else() {
        let (link, address) = (|| "ens3".to_owned(), LENT.parse().unwrap());
        let key = |name| SysctlKey::ipv6_conf(name, "forwarding").unwrap();
        let route = Route::to_host(address, "v6tun0");
        let pairs = [
            (
                Requirement::Sysctl { key: key("all"), value: "1".into() },
                Change::SetAllForwarding { from: "0".into(), to: "1".into(), links: [].into() },
            ),
            (
                Requirement::Sysctl { key: key("ens3"), value: "1".into() },
                Change::SetLinkForwarding { link: link(), from: "0".into(), to: "1".into(), all: "0".into() },
            ),
            (
                Requirement::AddressAbsent { link: link(), address },
                Change::DeleteAddress {
                    link: link(),
                    address: InterfaceAddress::permanent(address, 64),
                    order: vec![],
                },
            ),
            (Requirement::Route(route.clone()), Change::AddRoute(route)),
            (Requirement::Proxy { link: link(), address }, Change::AddProxy { link: link(), address }),
            (
                Requirement::LinkUp { link: "v6tun0".into(), mtu: 1440 },
                Change::LeaveTun { link: "v6tun0".into(), uplink: link() },
            ),
        ];
        for (i, (requirement, _)) in pairs.iter().enumerate() {
            let served: Vec<usize> =
                (0..pairs.len()).filter(|other| requirement.is_served_by(&pairs[*other].1)).collect();
            assert_eq!(served, [i], "{requirement:?}");
        }
    }

    #[test]
    fn a_setting_of_another_value_and_a_route_of_another_kind_serve_nothing() {
        let key = SysctlKey::ipv6_conf("ens3", "proxy_ndp").unwrap();
        let change = Change::SetSysctl { key: key.clone(), from: Some("0".into()), to: "1".into() };
        assert!(!Requirement::Sysctl { key, value: "0".into() }.is_served_by(&change));
        let route = Route::to_host(LENT.parse().unwrap(), "v6tun0");
        let refusing = Route { kind: RouteKind::Unreachable, ..route.clone() };
        assert!(!Requirement::Route(refusing).is_served_by(&Change::AddRoute(route)));
    }

    #[test]
    fn a_route_that_lost_its_source_belongs_to_the_address_that_went() {
        let (link, source) = ("ens3".to_owned(), LENT.parse().unwrap());
        let route = SourcedRoute { way: String::new(), text: String::new(), link: link.clone(), source };
        let change = Change::LoseRouteSource(route);
        assert!(Requirement::AddressAbsent { link: link.clone(), address: source }.is_served_by(&change));
        let other = "2001:db8::1".parse().unwrap();
        assert!(!Requirement::AddressAbsent { link, address: other }.is_served_by(&change));
    }
}
