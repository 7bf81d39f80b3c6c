//! What must be true of this PC while the tunnel is up. Pure: from the lease and the routes that were seen to
//! requirements, in the order in which they are to be met.
//!
//! IPv4 is not mentioned here at all: its addresses, routes and name servers stay as they are.

use std::net::{IpAddr, Ipv6Addr};

use v6tun_host::network::{
    Change, Observed, Prefix, ROUTE_PROTOCOL, Requirement, Route, RouteKind, SysctlKeyError,
};

use crate::config::{WhenDown, WindowsConfig};

#[cfg(not(windows))]
mod linux;
#[cfg(any(windows, test))]
mod windows;

#[cfg(not(windows))]
use linux as platform;
#[cfg(windows)]
use windows as platform;

/// IPv6's minimum link MTU in bytes (RFC 8200, section 5).
pub(crate) const MIN_MTU: u16 = 1280;

/// The link MTU that is supposed where no way to the server is known (yet): Ethernet's.
const SUPPOSED_LINK_MTU: u32 = 1500;

/// Bytes that the tunnel adds over IPv4: 20 of IPv4, 8 of UDP, 32 of WireGuard.
const OVERHEAD_IPV4: u32 = 60;
/// Bytes that the tunnel adds over IPv6: 40 of IPv6, 8 of UDP, 32 of WireGuard.
const OVERHEAD_IPV6: u32 = 80;

/// The tunnel as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tunnel<'a> {
    /// The tun's name.
    pub(crate) interface: &'a str,
    /// This PC's address.
    pub(crate) address: Ipv6Addr,
    /// Addresses that were leased before, and are no longer.
    pub(crate) former: &'a [Ipv6Addr],
    /// In bytes.
    pub(crate) mtu: u16,
    /// What is done about the server's silence, while it is silent.
    pub(crate) down: Option<WhenDown>,
    /// The way to the server, where it would lead into the tunnel.
    pub(crate) around: Option<Route>,
    /// What is set on Windows alone.
    pub(crate) windows: &'a WindowsConfig,
}

impl Tunnel<'_> {
    /// What must be true, in order: the system's own settings, the link, the addresses, the routes.
    ///
    /// # Errors
    /// If the interface's name cannot be a part of a sysctl's.
    pub(crate) fn requirements(&self) -> Result<Vec<Requirement>, SysctlKeyError> {
        let link = self.interface.to_owned();
        let mut desired = platform::before_link_is_up(self)?;
        desired.push(Requirement::LinkUp { link: link.clone(), mtu: u32::from(self.mtu) });
        desired.extend(platform::before_address(self));
        desired.push(Requirement::AddressPresent {
            link: link.clone(),
            address: self.address,
            prefix_len: 128,
        });
        let former = self.former.iter().filter(|former| **former != self.address);
        desired
            .extend(former.map(|former| Requirement::AddressAbsent { link: link.clone(), address: *former }));
        desired.extend(self.around.clone().map(Requirement::Route));
        if !self.is_withdrawn() {
            desired.push(Requirement::Route(tunnel_route(self.interface)));
        }
        if self.is_unreachable() {
            desired.push(Requirement::Route(unreachable_route()));
        }
        Ok(desired)
    }
}

impl Tunnel<'_> {
    /// Whether a change of ours is to be taken back now, that the server is silent or no longer so.
    pub(crate) fn is_outdated(&self, change: &Change) -> bool {
        let Change::AddRoute(route) = change else { return false };
        let is_ours = route.prefix_len == 0 && route.protocol == ROUTE_PROTOCOL;
        let outdated = match route.kind {
            RouteKind::Unreachable => !self.is_unreachable(),
            _ => self.is_withdrawn(),
        };
        is_ours && outdated
    }

    fn is_withdrawn(&self) -> bool {
        match self.down {
            Some(WhenDown::Remove) => true,
            Some(WhenDown::Unreachable) => cfg!(windows),
            Some(WhenDown::Keep) | None => false,
        }
    }

    fn is_unreachable(&self) -> bool {
        self.down == Some(WhenDown::Unreachable) && !cfg!(windows)
    }
}

/// The default route that leads nowhere, and is better than the tunnel's and any of the LAN's.
fn unreachable_route() -> Route {
    let metric = platform::DEFAULT_ROUTE_METRIC.saturating_sub(1);
    Route { prefix_len: 0, ..Route::unreachable(Ipv6Addr::UNSPECIFIED, metric) }
}

/// The default route through the tunnel.
pub(crate) fn tunnel_route(interface: &str) -> Route {
    default_route(interface, platform::DEFAULT_ROUTE_METRIC)
}

fn default_route(interface: &str, metric: u32) -> Route {
    Route {
        destination: Ipv6Addr::UNSPECIFIED,
        prefix_len: 0,
        kind: RouteKind::Unicast,
        link: Some(interface.to_owned()),
        gateway: None,
        metric,
        protocol: ROUTE_PROTOCOL,
    }
}

/// The route that keeps the tunnel's own datagrams out of the tunnel: to an IPv6 server that is reached by a
/// default route now, over that route's gateway. A more specific route beats the tunnel's `::/0` by itself.
pub(crate) fn way_around(server: IpAddr, observed: &Observed, interface: &str) -> Option<Route> {
    let IpAddr::V6(server) = server else { return None };
    if server.is_loopback() || server.is_unicast_link_local() {
        return None;
    }
    // On Windows the routes of others have v6tun's protocol as well: there only one to a single address may be ours.
    let is_ours = |route: &Route| route.protocol == ROUTE_PROTOCOL && route.prefix_len == 128;
    let is_usable = |route: &&Route| {
        route.kind == RouteKind::Unicast
            && route.link.as_deref().is_some_and(|link| link != interface)
            && !is_ours(route)
            && observed.is_in_use(route)
            && Prefix { address: route.destination, prefix_len: route.prefix_len }.contains(server)
    };
    let longest_then_cheapest =
        |route: &&Route| (std::cmp::Reverse(route.prefix_len), observed.metric_of(route));
    let way = observed.routes.iter().filter(is_usable).min_by_key(longest_then_cheapest)?;
    if way.prefix_len > 0 {
        return None;
    }
    let link = way.link.as_deref()?;
    Some(Route { gateway: way.gateway, ..Route::to_host(server, link) })
}

/// The largest inner packet, 1280 to 1500 bytes: what the way to the server leaves, or less where the
/// configuration says so. On a way below 1340 the outer datagrams are sent in two pieces.
pub(crate) fn mtu_ceiling(link_mtu: Option<u32>, server: IpAddr, configured: Option<u16>) -> u16 {
    let overhead = if server.is_ipv4() { OVERHEAD_IPV4 } else { OVERHEAD_IPV6 };
    let room = link_mtu.unwrap_or(SUPPOSED_LINK_MTU).saturating_sub(overhead).min(SUPPOSED_LINK_MTU);
    let room = u16::try_from(room).unwrap_or(u16::MAX);
    room.min(configured.unwrap_or(u16::MAX)).max(MIN_MTU)
}

#[cfg(test)]
mod tests {
    use v6tun_host::network::{Link, plan};

    use super::*;

    const SERVER: &str = "2001:db8:5::1";

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn route(prefix: &str, prefix_len: u8, link: &str, gateway: Option<&str>, metric: u32) -> Route {
        Route {
            destination: address(prefix),
            prefix_len,
            kind: RouteKind::Unicast,
            link: Some(link.to_owned()),
            gateway: gateway.map(address),
            metric,
            protocol: 9,
        }
    }

    fn seen(routes: impl Into<Vec<Route>>) -> Observed {
        Observed { routes: routes.into(), ..Observed::default() }
    }

    fn tunnel() -> Tunnel<'static> {
        Tunnel {
            interface: "v6tun0",
            address: address("2001:db8::2330"),
            former: &[],
            mtu: 1440,
            down: None,
            around: None,
            windows: Box::leak(Box::default()),
        }
    }

    fn commands(tunnel: &Tunnel<'_>) -> Vec<String> {
        plan(&tunnel.requirements().unwrap(), &Observed::default()).iter().map(Change::to_string).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_fresh_tun_is_configured_in_the_safe_order() {
        assert_eq!(
            commands(&tunnel()),
            [
                "sysctl -w net.ipv6.conf.v6tun0.disable_ipv6=0",
                "sysctl -w net.ipv6.conf.v6tun0.accept_ra=0",
                "sysctl -w net.ipv6.conf.v6tun0.accept_redirects=0",
                "sysctl -w net.ipv6.conf.v6tun0.autoconf=0",
                "sysctl -w net.ipv6.conf.v6tun0.addr_gen_mode=1",
                "ip link set dev v6tun0 mtu 1440 group 30262 up",
                "ip -6 addr add 2001:db8::2330/128 dev v6tun0 nodad",
                "ip -6 route add default dev v6tun0 metric 50 proto 118",
            ]
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn while_the_server_is_silent_the_internet_is_unreachable_or_the_tunnels_route_is_not_there() {
        let of = |down| commands(&Tunnel { down, ..tunnel() }).split_off(7);
        let route = "ip -6 route add default dev v6tun0 metric 50 proto 118";
        assert_eq!(of(None), [route]);
        assert_eq!(of(Some(WhenDown::Keep)), [route]);
        assert_eq!(
            of(Some(WhenDown::Unreachable)),
            [route, "ip -6 route add unreachable default metric 49 proto 118"]
        );
        assert!(of(Some(WhenDown::Remove)).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_servers_silence_changed_is_taken_back_and_what_it_did_not_is_not() {
        let made = |down| {
            let desired = Tunnel { down, ..tunnel() }.requirements().unwrap();
            plan(&desired, &Observed::default())
        };
        let outdated = |then, now| {
            let tunnel = Tunnel { down: now, ..tunnel() };
            let all = made(then).into_iter().filter(|change| tunnel.is_outdated(change));
            all.map(|change| change.to_string()).collect::<Vec<_>>()
        };
        let unreachable = "ip -6 route add unreachable default metric 49 proto 118";
        assert_eq!(outdated(Some(WhenDown::Unreachable), None), [unreachable]);
        assert!(outdated(None, Some(WhenDown::Unreachable)).is_empty());
        let route = "ip -6 route add default dev v6tun0 metric 50 proto 118";
        assert_eq!(outdated(None, Some(WhenDown::Remove)), [route]);
        assert!(outdated(None, None).is_empty());
    }

    #[test]
    fn an_ipv6_server_behind_the_default_route_gets_a_route_of_its_own_before_the_default() {
        let lan = [route("::", 0, "eth0", Some("fe80::1"), 1024)];
        let around = way_around(SERVER.parse().unwrap(), &seen(lan), "v6tun0");
        let commands = commands(&Tunnel { around, ..tunnel() });
        let is_around = |command: &String| {
            ["2001:db8:5::1/128", "fe80::1", "eth0"].iter().all(|part| command.contains(part))
        };
        let place = commands.iter().position(is_around).expect("the route around");
        let last = commands.last().unwrap();
        assert!(
            place + 2 == commands.len() && (last.contains("default") || last.contains("::/0")),
            "{commands:?}"
        );
    }

    #[test]
    fn only_a_way_that_the_tunnel_would_beat_needs_a_route_around() {
        let server = SERVER.parse().unwrap();
        let default = route("::", 0, "eth0", Some("fe80::1"), 1024);
        let specific = route("2001:db8:5::", 64, "eth1", None, 256);
        assert_eq!(way_around(server, &seen([default.clone(), specific]), "v6tun0"), None);
        let default = seen([default]);
        assert_eq!(way_around("203.0.113.233".parse().unwrap(), &default, "v6tun0"), None);
        assert_eq!(way_around("fe80::9".parse().unwrap(), &default, "v6tun0"), None);
        assert_eq!(way_around(server, &Observed::default(), "v6tun0"), None);
    }

    #[test]
    fn our_own_routes_are_no_way_to_the_server_and_the_cheapest_default_is() {
        let server: IpAddr = SERVER.parse().unwrap();
        let routes = [
            default_route("v6tun0", 50),
            route("::", 0, "wlan0", Some("fe80::2"), 600),
            route("::", 0, "eth0", Some("fe80::1"), 100),
            Route { protocol: ROUTE_PROTOCOL, ..route(SERVER, 128, "wlan0", Some("fe80::2"), 1024) },
        ];
        let around = way_around(server, &seen(routes), "v6tun0").unwrap();
        assert_eq!((around.link.as_deref(), around.gateway), (Some("eth0"), Some(address("fe80::1"))));
    }

    /// Windows gives no program a protocol number of its own.
    #[test]
    fn a_default_route_that_has_our_protocol_leads_to_the_server_and_a_route_to_it_alone_does_not() {
        let server: IpAddr = SERVER.parse().unwrap();
        let ours = |route| Route { protocol: ROUTE_PROTOCOL, ..route };
        let default = ours(route("::", 0, "Ethernet", Some("fe80::1"), 256));
        let around = way_around(server, &seen([default]), "v6tun0").unwrap();
        assert_eq!(around.link.as_deref(), Some("Ethernet"));
        let again = seen([
            ours(route("::", 0, "Ethernet", Some("fe80::1"), 256)),
            ours(route(SERVER, 128, "Wi-Fi", Some("fe80::2"), 0)),
        ]);
        assert_eq!(way_around(server, &again, "v6tun0"), Some(around));
    }

    #[test]
    fn the_way_around_takes_the_default_route_that_the_pc_would_take_and_whose_link_is_connected() {
        let server: IpAddr = SERVER.parse().unwrap();
        let link =
            |index, name: &str, up| Link { index, name: name.to_owned(), mtu: 1500, up, mac: Vec::new() };
        let mut observed = seen([
            route("::", 0, "Ethernet", Some("fe80::1"), 256),
            route("::", 0, "Wi-Fi", Some("fe80::2"), 256),
        ]);
        observed.links = vec![link(7, "Ethernet", true), link(9, "Wi-Fi", true)];
        observed.link_metrics = [("Ethernet".to_owned(), 35), ("Wi-Fi".to_owned(), 25)].into();
        let taken = |observed: &Observed| way_around(server, observed, "v6tun0").unwrap().link.unwrap();
        assert_eq!(taken(&observed), "Wi-Fi");
        observed.links[1].up = false;
        assert_eq!(taken(&observed), "Ethernet");
    }

    #[test]
    fn a_changed_lease_adds_the_new_address_before_it_takes_the_old_one() {
        let (old, new) = (address("2001:db8::2330"), address("2001:db8::2331"));
        let former = [old, new];
        let desired = Tunnel { address: new, former: &former, ..tunnel() }.requirements().unwrap();
        let present =
            desired.iter().position(|one| matches!(one, Requirement::AddressPresent { .. })).unwrap();
        let absent: Vec<_> = desired
            .iter()
            .enumerate()
            .filter(|(_, one)| matches!(one, Requirement::AddressAbsent { .. }))
            .collect();
        assert!(matches!(absent.as_slice(), [(place, Requirement::AddressAbsent { address, .. })]
            if *place > present && *address == old));
    }

    #[test]
    fn the_mtu_is_what_the_way_leaves_and_never_below_ipv6s_minimum() {
        let four: IpAddr = "203.0.113.233".parse().unwrap();
        let six: IpAddr = SERVER.parse().unwrap();
        for (link, server, configured, wanted) in [
            (Some(1500), four, None, 1440),
            (Some(1492), four, None, 1432),
            (Some(1454), four, None, 1394),
            (Some(1500), six, None, 1420),
            (Some(1500), four, Some(1300), 1300),
            (Some(1300), four, None, 1280),
            (Some(40), four, None, 1280),
            (Some(65536), four, None, 1500),
            (None, four, None, 1440),
        ] {
            assert_eq!(mtu_ceiling(link, server, configured), wanted, "{link:?} {server} {configured:?}");
        }
    }
}
