//! What must be true of the VPS while it lends addresses: pure, from the uplink's facts to requirements.
//!
//! The order of the requirements is the order in which they are made true, and undone in reverse:
//! `accept_ra=2` stands before any forwarding, else the kernel deletes the default route that it learnt
//! by router advertisement (`net/ipv6/addrconf.c`, `rt6_purge_dflt_routers`).

use crate::config::{Config, Forwarding, Ndp};
use crate::uplink::Uplink;
use std::net::Ipv6Addr;
use v6tun_host::network::{Prefix, ROUTE_PROTOCOL, Requirement, Route, RouteKind, SysctlKey};

/// Bytes of IPv4, UDP and WireGuard around an inner packet.
pub(crate) const OVERHEAD_IPV4: u32 = 60;
/// The MTU of a link that can carry IPv6 (RFC 8200, section 5).
const MIN_MTU: u32 = 1280;
/// The largest inner packet that the core takes.
const MAX_MTU: u32 = 1500;
/// The unreachable route must lose against every other: it speaks when the tun has gone.
const LAST_METRIC: u32 = u32::MAX - 1;
/// Behind the kernel's own prefix routes (256), before router advertisements' (1024).
const PREFIX_METRIC: u32 = 512;
/// Of a lease's route: the kernel's default for static ones (`IP6_RT_PRIO_USER`).
const LEASE_METRIC: u32 = 1024;

/// The inner MTU that is offered to clients, bytes: what fits the uplink in one IPv4 datagram.
pub(crate) fn mtu_ceiling(config: &Config, uplink: &Uplink) -> u16 {
    let fits = uplink.link.mtu.saturating_sub(OVERHEAD_IPV4).clamp(MIN_MTU, MAX_MTU);
    let fits = u16::try_from(fits).unwrap_or(u16::MAX);
    config.mtu.map_or(fits, |wanted| wanted.min(fits))
}

/// What must be true before the first lease. `packet_filter` is what must be true before anything is
/// forwarded.
pub(crate) fn startup(config: &Config, uplink: &Uplink, packet_filter: Vec<Requirement>) -> Vec<Requirement> {
    let mut all = tun(&config.interface, mtu_ceiling(config, uplink));
    all.extend(router_advertisements(uplink));
    all.extend(packet_filter);
    all.extend(forwarding(config, uplink));
    if config.ndp == Ndp::Kernel {
        all.extend(neighbour_proxy(&uplink.link.name));
    }
    all
}

/// The tun takes no orders from clients: no router advertisement, no redirect, no address of its own.
fn tun(name: &str, mtu: u16) -> Vec<Requirement> {
    vec![
        // A host that turns IPv6 off for new interfaces would refuse the leases' routes.
        conf(name, "disable_ipv6", "0"),
        conf(name, "accept_ra", "0"),
        conf(name, "accept_redirects", "0"),
        conf(name, "autoconf", "0"),
        conf(name, "addr_gen_mode", "1"),
        // While a restarted server is not back the tun has no carrier, and what is sent there is lost in silence: the
        // leases' routes count all the same, so that nobody is told that a client is unreachable.
        conf(name, "ignore_routes_with_linkdown", "0"),
        Requirement::LinkUp { link: name.to_owned(), mtu: u32::from(mtu) },
    ]
}

/// Only where the kernel itself listens: a daemon that does has turned the kernel's `accept_ra` off.
fn router_advertisements(uplink: &Uplink) -> impl Iterator<Item = Requirement> {
    uplink.listening.iter().map(|link| conf(link, "accept_ra", "2"))
}

/// Whether two interfaces alone are made to forward, on a host that is no router.
pub(crate) fn forwards_narrowly(config: &Config, uplink: &Uplink) -> bool {
    config.forwarding == Forwarding::Auto && uplink.has_force_forwarding && !uplink.forwards_already
}

fn forwarding(config: &Config, uplink: &Uplink) -> Vec<Requirement> {
    let (link, tun) = (&uplink.link.name, &config.interface);
    let narrow = forwards_narrowly(config, uplink);
    let mut all = if narrow {
        vec![conf(link, "force_forwarding", "1"), conf(tun, "force_forwarding", "1")]
    } else {
        vec![conf("all", "forwarding", "1"), conf(tun, "forwarding", "1")]
    };
    // The kernel's neighbour proxy answers only on an interface that forwards (net/ipv6/ndisc.c, ndisc_recv_ns).
    // Without a proxy `force_forwarding` needs no other setting.
    if !(narrow && config.ndp != Ndp::Kernel) {
        all.push(conf(link, "forwarding", "1"));
    }
    all
}

/// `all.proxy_ndp` answers the router's unicast probes, the uplink's own the multicast solicitations.
fn neighbour_proxy(link: &str) -> Vec<Requirement> {
    vec![conf(link, "proxy_ndp", "1"), conf("all", "proxy_ndp", "1"), neigh(link, "proxy_delay", "0")]
}

/// What must be true for one lease. `lent` are all the addresses lent so far, this one included.
pub(crate) fn lease(
    address: Ipv6Addr,
    lent: &[Ipv6Addr],
    config: &Config,
    uplink: &Uplink,
) -> Vec<Requirement> {
    let (link, tun) = (&uplink.link.name, config.interface.clone());
    let mut all = vec![
        Requirement::Route(host_route(address, RouteKind::Unreachable, None, LAST_METRIC)),
        Requirement::Route(host_route(address, RouteKind::Unicast, Some(tun), LEASE_METRIC)),
    ];
    // Nobody looks for it on the link: it neither stands there nor has to be answered for.
    if config.is_routed {
        return all;
    }
    all.splice(0..0, prefix_route(address, lent, uplink));
    // After the routes, which may be refused; they matter only once the address is gone.
    all.push(Requirement::AddressAbsent { link: link.clone(), address });
    if config.ndp == Ndp::Kernel {
        all.push(Requirement::Proxy { link: link.clone(), address });
    }
    all
}

/// The kernel's on-link route goes with the last address of its prefix; the VPS still needs its
/// neighbours.
fn prefix_route(address: Ipv6Addr, lent: &[Ipv6Addr], uplink: &Uplink) -> Option<Requirement> {
    let standing = uplink.standing(address)?;
    if standing.prefix_len == 128 {
        return None;
    }
    let stays = uplink.addresses.iter().any(|other| {
        other.prefix_len == standing.prefix_len
            && Prefix::of(other.address, other.prefix_len) == Prefix::of(address, standing.prefix_len)
            && !lent.contains(&other.address)
    });
    let route = Route {
        destination: Prefix::of(address, standing.prefix_len).address,
        prefix_len: standing.prefix_len,
        kind: RouteKind::Unicast,
        link: Some(uplink.link.name.clone()),
        gateway: None,
        metric: PREFIX_METRIC,
        protocol: ROUTE_PROTOCOL,
    };
    (!stays).then_some(Requirement::Route(route))
}

fn host_route(destination: Ipv6Addr, kind: RouteKind, link: Option<String>, metric: u32) -> Route {
    Route { destination, prefix_len: 128, kind, link, gateway: None, metric, protocol: ROUTE_PROTOCOL }
}

fn conf(link: &str, name: &str, value: &str) -> Requirement {
    let key = SysctlKey::ipv6_conf(link, name).expect("an interface's name is a file name");
    Requirement::Sysctl { key, value: value.to_owned() }
}

fn neigh(link: &str, name: &str, value: &str) -> Requirement {
    let key = SysctlKey::ipv6_neigh(link, name).expect("an interface's name is a file name");
    Requirement::Sysctl { key, value: value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v6tun_host::network::Link;

    fn config() -> Config {
        Config::for_tests()
    }

    fn uplink() -> Uplink {
        Uplink::for_tests()
    }

    fn position(all: &[Requirement], key: &str, value: &str) -> Option<usize> {
        all.iter().position(|requirement| match requirement {
            Requirement::Sysctl { key: k, value: v } => k.to_string() == key && v == value,
            _ => false,
        })
    }

    #[test]
    fn accept_ra_is_raised_before_anything_forwards() {
        for forwarding in [Forwarding::Auto, Forwarding::All] {
            let all = startup(&Config { forwarding, ..config() }, &uplink(), Vec::new());
            let accept_ra = position(&all, "net.ipv6.conf.ens3.accept_ra", "2").unwrap();
            let forwards = |requirement: &Requirement| matches!(requirement, Requirement::Sysctl { key, .. } if key.to_string().ends_with("forwarding"));
            assert!(accept_ra < all.iter().position(forwards).unwrap());
        }
    }

    #[test]
    fn accept_ra_is_raised_where_the_kernel_listens_and_nowhere_else() {
        let uplink = Uplink { listening: vec!["eth1".to_owned()], ..uplink() };
        let all = startup(&config(), &uplink, Vec::new());
        assert_eq!(position(&all, "net.ipv6.conf.ens3.accept_ra", "2"), None);
        assert!(position(&all, "net.ipv6.conf.eth1.accept_ra", "2").is_some());
    }

    #[test]
    fn the_vps_becomes_a_router_for_everything_only_where_it_must() {
        let all_forwarding = |config: &Config, uplink: &Uplink| {
            position(&startup(config, uplink, Vec::new()), "net.ipv6.conf.all.forwarding", "1").is_some()
        };
        assert!(!all_forwarding(&config(), &uplink()));
        let old_kernel = Uplink { has_force_forwarding: false, ..uplink() };
        assert!(all_forwarding(&config(), &old_kernel));
        assert!(all_forwarding(&Config { forwarding: Forwarding::All, ..config() }, &uplink()));
        let narrow = startup(&config(), &uplink(), Vec::new());
        for link in ["ens3", "v6tun0"] {
            let key = format!("net.ipv6.conf.{link}.force_forwarding");
            assert!(position(&narrow, &key, "1").is_some(), "{key}");
        }
        assert!(position(&narrow, "net.ipv6.conf.ens3.forwarding", "1").is_some(), "the proxy needs it");
    }

    #[test]
    fn a_lease_is_routed_before_it_leaves_the_uplink_and_proxied_when_it_has() {
        let address: Ipv6Addr = "2001:db8::2330".parse().unwrap();
        let all = lease(address, &[address], &config(), &uplink());
        assert!(matches!(&all[0], Requirement::Route(route) if route.kind == RouteKind::Unreachable));
        assert!(matches!(&all[1], Requirement::Route(route) if route.link.as_deref() == Some("v6tun0")));
        assert!(matches!(all[2], Requirement::AddressAbsent { .. }), "{all:?}");
        assert!(matches!(all[3], Requirement::Proxy { .. }));
    }

    #[test]
    fn what_is_routed_to_the_host_needs_routes_and_nothing_of_its_neighbours() {
        let config = Config { is_routed: true, ndp: Ndp::None, ..config() };
        let address: Ipv6Addr = "2001:db8:1::5".parse().unwrap();
        let all = lease(address, &[address], &config, &uplink());
        assert!(all.iter().all(|requirement| matches!(requirement, Requirement::Route(_))), "{all:?}");
        assert_eq!(all.len(), 2);
        let all = startup(&config, &uplink(), Vec::new());
        for (key, value) in [
            ("net.ipv6.conf.ens3.proxy_ndp", "1"),
            ("net.ipv6.conf.all.proxy_ndp", "1"),
            ("net.ipv6.neigh.ens3.proxy_delay", "0"),
            ("net.ipv6.conf.ens3.forwarding", "1"),
        ] {
            assert_eq!(position(&all, key, value), None, "{key}");
        }
        let forwards = Uplink { has_force_forwarding: false, ..uplink() };
        assert!(
            position(&startup(&config, &forwards, Vec::new()), "net.ipv6.conf.ens3.forwarding", "1")
                .is_some()
        );
    }

    #[test]
    fn where_the_server_itself_answers_the_kernel_is_not_asked_to() {
        let config = Config { ndp: Ndp::Responder, ..config() };
        let address: Ipv6Addr = "2001:db8::2330".parse().unwrap();
        let all = lease(address, &[address], &config, &uplink());
        assert!(!all.iter().any(|requirement| matches!(requirement, Requirement::Proxy { .. })), "{all:?}");
        assert!(all.iter().any(|requirement| matches!(requirement, Requirement::AddressAbsent { .. })));
        let all = startup(&config, &uplink(), Vec::new());
        assert_eq!(position(&all, "net.ipv6.conf.all.proxy_ndp", "1"), None);
        assert_eq!(position(&all, "net.ipv6.conf.ens3.forwarding", "1"), None);
    }

    #[test]
    fn the_last_address_of_a_prefix_leaves_a_route_to_the_neighbours() {
        let (first, last) = ("2001:db8::2330".parse().unwrap(), "2001:db8::2331".parse().unwrap());
        assert_eq!(lease(first, &[first], &config(), &uplink()).len(), 4);
        let all = lease(last, &[first, last], &config(), &uplink());
        let Requirement::Route(route) = &all[0] else { panic!("{all:?}") };
        assert_eq!((route.prefix_len, route.link.as_deref()), (64, Some("ens3")));
        assert_eq!(route.destination, "2001:db8::".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn the_mtu_is_what_fits_the_uplink_and_never_below_what_ipv6_needs() {
        let with_mtu = |mtu| Uplink { link: Link { mtu, ..uplink().link }, ..uplink() };
        assert_eq!(mtu_ceiling(&config(), &with_mtu(1500)), 1440);
        assert_eq!(mtu_ceiling(&config(), &with_mtu(1454)), 1394);
        assert_eq!(mtu_ceiling(&config(), &with_mtu(1300)), 1280);
        assert_eq!(mtu_ceiling(&config(), &with_mtu(9000)), 1500);
        assert_eq!(mtu_ceiling(&Config { mtu: Some(1400), ..config() }, &with_mtu(1500)), 1400);
    }
}
