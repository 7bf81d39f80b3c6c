//! What is true of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use super::route::PROTOCOL_RA;
use super::{
    ChainOpening, DefaultRoute, FirewallRule, InterfaceAddress, Prefix, Route, SeenTable, SourcedRoute,
    SysctlKey,
};

/// `2000::/3`, all that is given out for the Internet (RFC 4291, section 2.4).
const GLOBAL_UNICAST: Prefix = Prefix { address: Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), prefix_len: 3 };

/// The state of the host's IPv6 network at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Every link.
    pub links: Vec<Link>,
    /// By link name, in the kernel's order: of equal candidates the first is chosen as source.
    pub addresses: BTreeMap<String, Vec<InterfaceAddress>>,
    /// The IPv6 routes of the main table; a route with several next hops appears once for each.
    pub routes: Vec<Route>,
    /// The prefixes that end at this host, whichever they are: of addresses on the loopback and dummy links, of
    /// routes that refuse or swallow, and of routes that receive more than one address; none of v6tun's own.
    pub ends_here: Vec<Prefix>,
    /// The routes of all tables that name a source.
    pub sourced_routes: Vec<SourcedRoute>,
    /// Of those that an undoing asks for, the [ways](SourcedRoute::way) of the routes that stand without source.
    pub sourceless_ways: BTreeSet<String>,
    /// The neighbour proxy entries.
    pub proxies: Vec<Proxy>,
    /// The settings that were asked for, and each link's `forwarding`; one that does not exist is missing.
    pub sysctls: BTreeMap<SysctlKey, String>,
    /// By link name, the metric among the IPv6 links; `None`: chosen by the system (Windows).
    pub metrics: BTreeMap<String, Option<u32>>,
    /// By link name, what is added to the metric of each of its routes, whoever chose it (Windows).
    pub link_metrics: BTreeMap<String, u32>,
    /// By link name, the IPv6 name servers that somebody has set (Windows).
    pub name_servers: BTreeMap<String, Vec<Ipv6Addr>>,
    /// The rules of v6tun's own in the firewall (Windows).
    pub firewall_rules: Vec<FirewallRule>,
    /// By name, the tables of nftables that were asked for and exist (Linux).
    pub filter_tables: BTreeMap<String, SeenTable>,
    /// The chains that drop what is forwarded from or to the links that were asked for, as they can be opened (Linux).
    pub closed_chains: Vec<ChainOpening>,
    /// The chains that are opened for the links that were asked for (Linux).
    pub opened_chains: Vec<ChainOpening>,
    /// Seconds since boot, sleep included, at which it was so.
    pub boot_seconds: u64,
}

/// The group of links that v6tun's own tuns are in (`ip link set group`): by it rules of nftables tell them from others.
/// The letters `v6`.
pub const LINK_GROUP: u32 = 0x7636;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// In bytes.
    pub mtu: u32,
    /// Whether the administrator has it up; on Windows, whether it is connected and IPv6 is on.
    pub up: bool,
    /// Its link-layer address; empty where it has none (a tun), and on Windows, where nobody asks for it.
    pub mac: Vec<u8>,
}

/// An address for which the kernel answers neighbour solicitations on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The link's name.
    pub link: String,
    /// The address.
    pub address: Ipv6Addr,
}

impl Observed {
    /// The link of this name.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The addresses of a link in the kernel's order.
    #[must_use]
    pub fn addresses_of(&self, link: &str) -> &[InterfaceAddress] {
        self.addresses.get(link).map_or(&[], Vec::as_slice)
    }

    /// The link's first usable link-local address.
    #[must_use]
    pub fn link_local_of(&self, link: &str) -> Option<Ipv6Addr> {
        self.addresses_of(link)
            .iter()
            .find(|a| a.address.is_unicast_link_local() && a.is_usable())
            .map(|a| a.address)
    }

    /// A setting's value, if it was asked for and exists.
    #[must_use]
    pub fn sysctl(&self, key: &SysctlKey) -> Option<&str> {
        self.sysctls.get(key).map(String::as_str)
    }

    /// What a route is compared by with others to the same prefix, the lower wins: its own metric, and on Windows that
    /// of its link, too.
    #[must_use]
    pub fn metric_of(&self, route: &Route) -> u32 {
        let of_link = route.link.as_ref().and_then(|link| self.link_metrics.get(link)).copied();
        route.effective_metric().saturating_add(of_link.unwrap_or(0))
    }

    /// Whether packets are sent by it: Windows keeps the routes of a link that is not connected, but does without them.
    #[must_use]
    pub fn is_in_use(&self, route: &Route) -> bool {
        let link = route.link.as_deref().and_then(|link| self.link(link));
        link.is_none_or(|link| link.up)
    }

    /// The default route of the lowest [metric](Self::metric_of).
    #[must_use]
    pub fn default_route(&self) -> Option<DefaultRoute> {
        let route = self
            .routes
            .iter()
            .filter(|route| route.is_default() && route.link.is_some() && self.is_in_use(route))
            .min_by_key(|route| self.metric_of(route))?;
        let link = route.link.clone()?;
        let kernel_listens = SysctlKey::ipv6_conf(&link, "accept_ra")
            .ok()
            .and_then(|key| self.sysctl(&key).map(|value| value != "0"))
            .unwrap_or(true);
        Some(DefaultRoute {
            link,
            gateway: route.gateway,
            protocol: route.protocol,
            metric: self.metric_of(route),
            learnt_from_ra_by_kernel: route.protocol == PROTOCOL_RA && kernel_listens,
        })
    }

    /// The prefixes that are on the link, by the kernel's own routes or by a router's word.
    #[must_use]
    pub fn on_link_prefixes(&self, link: &str) -> Vec<Prefix> {
        let mut prefixes: Vec<Prefix> = self
            .routes
            .iter()
            .filter(|route| route.link.as_deref() == Some(link))
            .filter_map(Route::on_link_prefix)
            .collect();
        prefixes.sort_by_key(|prefix| (prefix.address, prefix.prefix_len));
        prefixes.dedup();
        prefixes
    }

    /// The prefixes of global unicast space, of 32 to 120 bits, that are routed to this host: they
    /// [end here](Self::ends_here) and are not on the link `uplink`. One may lie in another.
    #[must_use]
    pub fn routed_prefixes(&self, uplink: &str) -> Vec<Prefix> {
        let mut on_link = self.on_link_prefixes(uplink);
        on_link.extend(
            self.addresses_of(uplink).iter().map(InterfaceAddress::prefix).filter(|p| p.prefix_len < 128),
        );
        let is_candidate = |prefix: &&Prefix| {
            GLOBAL_UNICAST.contains(prefix.address)
                && (32..=120).contains(&prefix.prefix_len)
                && !on_link.iter().any(|other| other.overlaps(prefix))
        };
        let mut prefixes: Vec<Prefix> = self.ends_here.iter().filter(is_candidate).copied().collect();
        prefixes.sort_by_key(|prefix| (prefix.address, prefix.prefix_len));
        prefixes.dedup();
        prefixes
    }

    /// Whether the host is a router for all its links.
    #[must_use]
    pub fn forwards(&self) -> bool {
        self.sysctl(&SysctlKey::all_forwarding()) == Some("1")
    }

    /// Each link's own `forwarding`, and `default`'s, but not `all`'s.
    pub(crate) fn forwarding_by_link(&self) -> BTreeMap<String, String> {
        self.sysctls
            .iter()
            .filter_map(|(key, value)| match key.as_ipv6_conf() {
                Some((link, "forwarding")) if link != "all" => Some((link.to_owned(), value.clone())),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{ROUTE_PROTOCOL, RouteKind};

    fn default_route(link: &str, metric: u32) -> Route {
        Route {
            destination: Ipv6Addr::UNSPECIFIED,
            prefix_len: 0,
            kind: RouteKind::Unicast,
            link: Some(link.into()),
            gateway: Some("fe80::1".parse().unwrap()),
            metric,
            protocol: ROUTE_PROTOCOL,
        }
    }

    fn link(index: u32, name: &str, up: bool) -> Link {
        Link { index, name: name.into(), mtu: 1500, up, mac: Vec::new() }
    }

    #[test]
    fn of_default_routes_the_one_wins_whose_own_metric_and_links_are_the_lowest_together() {
        let mut observed = Observed {
            links: vec![link(7, "Ethernet", true), link(9, "Wi-Fi", true)],
            routes: vec![default_route("Ethernet", 256), default_route("Wi-Fi", 16)],
            link_metrics: [("Ethernet".into(), 25), ("Wi-Fi".into(), 50)].into(),
            ..Observed::default()
        };
        let found = observed.default_route().unwrap();
        assert_eq!((found.link.as_str(), found.metric), ("Wi-Fi", 66));
        observed.link_metrics.insert("Wi-Fi".into(), 275);
        assert_eq!(observed.default_route().unwrap().link, "Ethernet");
        observed.link_metrics.insert("Ethernet".into(), u32::MAX);
        assert_eq!(observed.default_route().unwrap().link, "Wi-Fi", "no sum is too large");
    }

    #[test]
    fn the_routes_of_a_link_that_is_not_connected_lead_nowhere() {
        let observed = Observed {
            links: vec![link(7, "Ethernet", false), link(9, "Wi-Fi", true)],
            routes: vec![default_route("Ethernet", 1), default_route("Wi-Fi", 2)],
            ..Observed::default()
        };
        assert_eq!(observed.default_route().unwrap().link, "Wi-Fi");
    }
}
