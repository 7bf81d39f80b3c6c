//! Providers' shapes, as they are seen on the host.

use super::*;
use v6tun_host::network::{DefaultRoute, Link};

/// What router advertisements gave: with a lifetime, and named so by the kernel.
fn learnt(text: &str, flags: u32) -> InterfaceAddress {
    InterfaceAddress { flags, valid: Some(2_592_000), preferred: Some(604_800), protocol: 2, ..at(text, 64) }
}

fn at(text: &str, prefix_len: u8) -> InterfaceAddress {
    InterfaceAddress::permanent(text.parse().unwrap(), prefix_len)
}

fn prefix(text: &str) -> Prefix {
    let (address, len) = text.split_once('/').unwrap();
    Prefix { address: address.parse().unwrap(), prefix_len: len.parse().unwrap() }
}

fn addresses(texts: &[&str]) -> Vec<Ipv6Addr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A host with these addresses on its uplink, the first of which the kernel prefers, and these prefixes on the link.
fn host(standing: Vec<InterfaceAddress>, prefixes: &[&str]) -> Facts {
    let route = DefaultRoute {
        link: "ens3".to_owned(),
        gateway: Some("fe80::1".parse().unwrap()),
        protocol: 4,
        metric: 1024,
        learnt_from_ra_by_kernel: false,
    };
    let preferred = standing.first().map(|entry| entry.address);
    let uplink = Uplink {
        link: Link { index: 2, name: "ens3".to_owned(), mtu: 1500, up: true, mac: vec![2; 6] },
        default_route: Some(route),
        addresses: standing,
        elsewhere: Vec::new(),
        listening: Vec::new(),
        prefixes: prefixes.iter().map(|text| prefix(text)).collect(),
        has_force_forwarding: true,
        forwards_already: false,
    };
    let ipv4 = PublicIpv4::Public("203.0.113.233".parse().unwrap());
    Facts { uplink, preferred, in_use: Vec::new(), routed: Vec::new(), ipv4 }
}

fn with_use(mut facts: Facts, texts: &[&str]) -> Facts {
    facts.in_use = texts.iter().map(|text| (text.parse().unwrap(), "in use".to_owned())).collect();
    facts
}

fn lent(facts: &Facts) -> Vec<Ipv6Addr> {
    match HostShape::of(facts).unwrap() {
        HostShape::Listed { addresses, .. } => addresses,
        other => panic!("{other:?}"),
    }
}

fn on_link(text: &str) -> HostShape {
    HostShape::OnLink { prefix: text.parse().unwrap() }
}

/// Sixteen addresses in a /64, in no order, and one with a route of its own; the kernel prefers …:233f.
fn article() -> Facts {
    let mut all = vec![at("2001:db8:1301:740:a133:0:113:233f", 64)];
    all.extend((0x2330..0x233f).rev().map(|n| at(&format!("2001:db8:1301:740:a133:0:113:{n:x}"), 64)));
    all.push(at("2001:db8:1301:740:133:0:113:233", 128));
    host(all, &["2001:db8:1301:740::/64"])
}

#[test]
fn of_the_articles_seventeen_addresses_all_but_the_preferred_one_are_lent_in_order() {
    let HostShape::Listed { addresses, kept } = HostShape::of(&article()).unwrap() else { panic!() };
    assert_eq!(addresses.len(), 16);
    assert!(addresses[..15].is_sorted());
    assert_eq!(addresses[0], "2001:db8:1301:740:a133:0:113:2330".parse::<Ipv6Addr>().unwrap());
    assert_eq!(addresses[15], "2001:db8:1301:740:133:0:113:233".parse::<Ipv6Addr>().unwrap(), "the /128");
    let kept: Vec<_> = kept.iter().map(|kept| (kept.address.to_string(), kept.why.as_str())).collect();
    assert_eq!(kept, [("2001:db8:1301:740:a133:0:113:233f".to_owned(), "this host itself sends from it")]);
}

#[test]
fn addresses_that_sockets_are_bound_to_are_kept() {
    let used = ["2001:db8:1301:740:a133:0:113:2330", "2001:db8:1301:740:133:0:113:233"];
    let lent = lent(&with_use(article(), &used));
    assert_eq!(lent.len(), 14);
    assert!(used.iter().all(|used| !lent.contains(&used.parse().unwrap())));
}

#[test]
fn sixteen_listed_addresses_of_a_short_range_are_lent() {
    let range: Vec<_> = (0..16).map(|n| at(&format!("2001:db8:a::9{n:x}"), 124)).collect();
    assert_eq!(lent(&host(range, &["2001:db8:a::90/124"])).len(), 15);
}

#[test]
fn learnt_and_temporary_addresses_show_a_prefix_on_the_link() {
    let all = vec![
        learnt("2001:db8:b:0:abcd::1", address_flags::TEMPORARY),
        learnt("2001:db8:b:0:5400:ff:fe00:1", address_flags::MANAGETEMPADDR),
    ];
    assert_eq!(HostShape::of(&host(all, &["2001:db8:b::/64"])), Ok(on_link("2001:db8:b::/64")));
}

#[test]
fn one_listed_address_beside_a_learnt_one_shows_a_prefix_on_the_link() {
    let all = vec![at("2001:db8:b::1", 64), learnt("2001:db8:b:0:5400:ff:fe00:1", 0)];
    assert_eq!(HostShape::of(&host(all, &["2001:db8:b::/64"])), Ok(on_link("2001:db8:b::/64")));
}

#[test]
fn a_static_address_with_a_link_local_router_is_taken_for_one_on_the_link() {
    let facts = host(vec![at("2001:db8:c::1", 64)], &["2001:db8:c::/64"]);
    assert_eq!(HostShape::of(&facts), Ok(on_link("2001:db8:c::/64")));
}

#[test]
fn of_several_prefixes_on_the_link_that_of_the_hosts_own_address_is_taken() {
    let prefixes = ["2001:db8:a::/64", "fd00::/64", "2001:db8:c::/64"];
    let facts = host(vec![learnt("2001:db8:c::1", 0)], &prefixes);
    assert_eq!(HostShape::of(&facts), Ok(on_link("2001:db8:c::/64")));
}

#[test]
fn a_routed_prefix_is_preferred_to_all_else_and_the_widest_of_several_taken() {
    let mut facts = article();
    facts.routed =
        ["fd00::/48", "2001:db8:d:1::/64", "2001:db8:d:100::/56", "2001:db8:e::5/128"].map(prefix).to_vec();
    let shape = HostShape::of(&facts).unwrap();
    assert_eq!(shape, HostShape::Routed { prefix: "2001:db8:d:100::/56".parse().unwrap() });
    assert!(shape.is_routed());
    facts.routed = vec![prefix("2001:db8:e::5/128")];
    assert!(!HostShape::of(&facts).unwrap().is_routed(), "one address is no prefix to lend from");
}

#[test]
fn of_two_addresses_that_of_the_ssh_connection_is_kept() {
    let two = || vec![at("2001:db8::2", 64), at("2001:db8::1", 64)];
    let facts = with_use(host(two(), &["2001:db8::/64"]), &["2001:db8::2"]);
    assert_eq!(lent(&facts), addresses(&["2001:db8::1"]));
}

#[test]
fn a_host_that_needs_all_its_addresses_is_unclear_and_told_why() {
    let two = vec![at("2001:db8::2", 64), at("2001:db8::1", 64)];
    let unclear = HostShape::of(&with_use(host(two, &["2001:db8::/64"]), &["2001:db8::1"])).unwrap_err();
    assert!(unclear.what.contains("2001:db8::1 (in use), 2001:db8::2 (this host itself sends from it)"));
    assert!(unclear.lines.contains("addresses = [\"2001:db8::2\"]"), "{}", unclear.lines);
}

#[test]
fn the_last_address_is_kept_also_where_the_kernel_prefers_one_elsewhere() {
    let mut facts = host(vec![at("2001:db8::2", 64), at("2001:db8::1", 64)], &["2001:db8::/64"]);
    facts.preferred = Some("2001:db8:f::1".parse().unwrap());
    assert_eq!(lent(&facts), addresses(&["2001:db8::1"]));
    facts.uplink.addresses.push(learnt("2001:db8::3", address_flags::MANAGETEMPADDR));
    assert_eq!(lent(&facts).len(), 2, "the learnt one stays");
}

#[test]
fn a_single_address_without_a_usable_prefix_is_unclear_and_told_what_to_write() {
    for (len, prefixes) in [(128, vec![]), (124, vec!["2001:db8::/124"])] {
        let unclear = HostShape::of(&host(vec![at("2001:db8::1", len)], &prefixes)).unwrap_err();
        assert!(unclear.what.contains(&format!("2001:db8::1/{len}")), "{}", unclear.what);
        assert!(unclear.lines.contains("addresses = ") && unclear.lines.contains("routed = true"));
    }
    assert!(HostShape::of(&host(vec![], &["2001:db8::/64"])).is_err(), "no address of its own");
}

#[test]
fn private_ipv4_addresses_are_behind_nat_and_those_of_documentation_are_not() {
    for (text, is_public) in [
        ("203.0.113.233", true),
        ("192.0.2.1", true),
        ("10.0.0.5", false),
        ("172.16.0.1", false),
        ("192.168.0.10", false),
        ("100.64.3.2", false),
        ("169.254.1.1", false),
        ("127.0.0.1", false),
    ] {
        let address = text.parse().unwrap();
        let expected = if is_public { PublicIpv4::Public(address) } else { PublicIpv4::BehindNat(address) };
        assert_eq!(PublicIpv4::of(Some(address)), expected, "{text}");
    }
    assert_eq!(PublicIpv4::of(None), PublicIpv4::None);
}

#[test]
fn it_is_told_who_made_the_default_route() {
    let route = |protocol, learnt_from_ra_by_kernel| DefaultRoute {
        link: "ens3".to_owned(),
        gateway: None,
        protocol,
        metric: 1024,
        learnt_from_ra_by_kernel,
    };
    assert_eq!(RouteOrigin::of(&route(9, true)), RouteOrigin::KernelRa);
    assert_eq!(RouteOrigin::of(&route(9, false)), RouteOrigin::DaemonRa);
    assert_eq!(RouteOrigin::of(&route(3, false)), RouteOrigin::Static);
    assert_eq!(RouteOrigin::of(&route(16, false)), RouteOrigin::Other(16));
}
