use super::*;
use crate::network::ROUTE_PROTOCOL;

const TUN: u64 = 0x35_0000_0100_0000;

fn interface(luid: u64, is_ipv6: bool) -> InterfaceRow {
    InterfaceRow {
        luid,
        index: 17,
        is_ipv6,
        mtu: if is_ipv6 { 1440 } else { 65_535 },
        metric: 25,
        has_automatic_metric: true,
        is_connected: true,
    }
}

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn address_row(text: &str, dad_state: i32) -> AddressRow {
    AddressRow {
        luid: TUN,
        address: address(text),
        prefix_len: 128,
        dad_state,
        suffix_origin: 1,
        valid: u32::MAX,
        preferred: u32::MAX,
    }
}

fn route_row() -> RouteRow {
    RouteRow {
        luid: TUN,
        destination: Ipv6Addr::UNSPECIFIED,
        prefix_len: 0,
        next_hop: Ipv6Addr::UNSPECIFIED,
        metric: 0,
        protocol: i32::from(ROUTE_PROTOCOL),
        is_advertised: false,
    }
}

#[test]
fn an_interface_has_the_mtu_of_ipv6_and_is_up_only_with_ipv6() {
    let name_of = |luid| Some(format!("link {luid}"));
    let rows = [interface(1, false), interface(1, true), interface(2, false)];
    let found = adapters(&rows, name_of);
    let seen: Vec<_> = found.iter().map(|a| (a.link.name.as_str(), a.link.mtu, a.link.up)).collect();
    assert_eq!(seen, [("link 1", 1440, true), ("link 2", 65_535, false)]);
    assert_eq!(found[1].ipv6, None);

    let unplugged = [InterfaceRow { is_connected: false, ..interface(1, true) }];
    assert!(!adapters(&unplugged, name_of)[0].link.up);
}

#[test]
fn an_interface_that_has_gone_under_way_is_left_out() {
    let rows = [interface(1, true), interface(2, true), interface(3, true)];
    let name_of = |luid| match luid {
        1 => None,
        2 => Some(String::new()),
        _ => Some("Wi-Fi".to_owned()),
    };
    let found = adapters(&rows, name_of);
    assert_eq!(found.iter().map(|a| a.link.name.as_str()).collect::<Vec<_>>(), ["Wi-Fi"]);
}

#[test]
fn a_metric_counts_as_chosen_only_if_somebody_has_set_it() {
    assert_eq!(interface(1, true).chosen_metric(), None);
    assert_eq!(InterfaceRow { has_automatic_metric: false, ..interface(1, true) }.chosen_metric(), Some(25));
}

#[test]
fn an_address_is_usable_once_it_is_neither_tentative_nor_a_duplicate() {
    for (dad_state, usable) in [(0, false), (1, false), (2, false), (3, true), (4, true), (-7, true)] {
        let found = address_row("2001:db8::1", dad_state).interface_address();
        assert_eq!(found.is_usable(), usable, "state {dad_state}");
    }
}

#[test]
fn an_address_keeps_its_lifetimes_and_says_who_made_it() {
    let own = address_row("2001:db8::1", 4).interface_address();
    assert_eq!((own.valid, own.preferred, own.scope, own.prefix_len), (None, None, 0, 128));
    let row = AddressRow {
        valid: 900,
        preferred: 0,
        suffix_origin: 5,
        prefix_len: 200,
        ..address_row("fe80::1", 3)
    };
    let temporary = row.interface_address();
    assert_eq!((temporary.valid, temporary.preferred, temporary.scope), (Some(900), Some(0), 253));
    assert!(!temporary.is_restorable());
    assert_eq!(temporary.prefix_len, 128, "no length is longer");
}

#[test]
fn a_route_without_a_next_hop_is_on_its_link() {
    let own = route_row().route("v6tun0");
    assert_eq!((own.link.as_deref(), own.gateway, own.protocol), (Some("v6tun0"), None, ROUTE_PROTOCOL));
    let row = RouteRow { next_hop: address("fe80::1"), metric: 256, ..route_row() };
    assert_eq!(row.route("Wi-Fi").gateway, Some(address("fe80::1")));
    assert_eq!(row.route("Wi-Fi").metric, 256);
}

#[test]
fn what_a_router_has_advertised_is_never_taken_for_our_own() {
    let row = RouteRow { is_advertised: true, ..route_row() };
    assert_eq!(row.route("Wi-Fi").protocol, PROTOCOL_RA);
    for unknown in [10_002, -1, i32::MAX, i32::from(PROTOCOL_RA)] {
        let row = RouteRow { protocol: unknown, ..route_row() };
        assert_eq!(row.route("Wi-Fi").protocol, PROTOCOL_OTHER, "{unknown}");
    }
}

#[test]
fn a_route_that_is_there_is_as_good_as_added_and_another_metric_is_told() {
    let wanted = route_row().route("v6tun0");
    route_in_the_way(&wanted, std::slice::from_ref(&wanted)).unwrap();
    let other = RouteRow { metric: 7, ..route_row() }.route("v6tun0");
    let elsewhere = route_row().route("Wi-Fi");
    let error = route_in_the_way(&wanted, &[elsewhere.clone(), other]).unwrap_err();
    assert_eq!(error.to_string(), "the same route stands there with metric 7");
    assert!(is_there(&route_in_the_way(&wanted, &[elsewhere]).unwrap_err()), "Windows' own words are left");
}

#[test]
fn an_address_that_is_there_is_as_good_as_added_and_another_link_is_told() {
    let stands = |link: &str| {
        let addresses = vec![address_row("2001:db8::1", 4).interface_address()];
        BTreeMap::from([("Wi-Fi".to_owned(), Vec::new()), (link.to_owned(), addresses)])
    };
    let wanted = address("2001:db8::1");
    address_in_the_way(wanted, "v6tun0", &stands("v6tun0")).unwrap();
    let error = address_in_the_way(wanted, "v6tun0", &stands("Ethernet")).unwrap_err();
    assert_eq!(error.to_string(), "it stands on Ethernet already");
    assert!(is_there(&address_in_the_way(wanted, "v6tun0", &BTreeMap::new()).unwrap_err()));
}

#[test]
fn an_error_tells_what_is_gone_what_is_there_and_what_cannot_be_reached() {
    let error = io::Error::from_raw_os_error;
    assert!(is_gone(&error(1168)) && is_gone(&error(2)) && !is_gone(&error(5)) && !is_gone(&error(5010)));
    assert!(is_gone(&io::Error::new(io::ErrorKind::NotFound, "there is no adapter of that name")));
    assert!(is_empty(&error(1168)) && is_empty(&error(50)) && !is_empty(&error(5)));
    assert!(is_there(&error(5010)) && !is_there(&error(1168)));
    assert!(is_unreachable(&error(1231)) && is_unreachable(&error(1232)) && is_unreachable(&error(1168)));
    assert!(is_unreachable(&error(50)) && !is_unreachable(&error(87)));
}

#[test]
fn a_name_ends_at_its_first_zero_whatever_comes_behind() {
    let units = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
    assert_eq!(text(&units("Wi-Fi 2\0rest")), "Wi-Fi 2");
    assert_eq!(text(&units("イーサネット")), "イーサネット");
    assert_eq!(text(&[]), "");
    assert_eq!(text(&[0xd800, 0]), "\u{fffd}");
}

#[test]
fn name_servers_are_read_however_they_are_separated_and_written_with_commas() {
    let servers = [address("2001:db8::53"), address("2001:db8::54")];
    for text in ["2001:db8::53,2001:db8::54", "2001:db8::53 2001:db8::54", " 2001:db8::53, ,2001:db8::54;"] {
        assert_eq!(parse_name_servers(text), servers, "{text:?}");
    }
    assert!(parse_name_servers("192.0.2.53,fe80::1%7,none").is_empty());
    assert_eq!(write_name_servers(&servers), "2001:db8::53,2001:db8::54");
    assert_eq!(write_name_servers(&[]), "");
}
