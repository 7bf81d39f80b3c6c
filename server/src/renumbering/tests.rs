use super::*;
use v6tun_host::network::InterfaceAddress;

fn prefix(text: &str) -> PoolPrefix {
    text.parse().unwrap()
}

fn entry(text: &str) -> InterfaceAddress {
    InterfaceAddress::permanent(text.parse().unwrap(), 64)
}

/// As a router's advertisement with a preferred lifetime of zero leaves it.
fn going(text: &str) -> InterfaceAddress {
    InterfaceAddress { flags: address_flags::DEPRECATED, valid: Some(7200), ..entry(text) }
}

fn uplink(addresses: Vec<InterfaceAddress>) -> Uplink {
    let prefixes = addresses.iter().map(|entry| Prefix::of(entry.address, entry.prefix_len)).collect();
    Uplink { addresses, prefixes, ..Uplink::for_tests() }
}

const OLD: &str = "2001:db8:1:2::/64";
const NEW: &str = "2001:db8:9:8::/64";

#[test]
fn the_identifier_stays() {
    let of = |text: &str| renumbered(text.parse().unwrap(), prefix(OLD), prefix(NEW)).to_string();
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:9:8:3:4:5:6");
    assert_eq!(of("2001:db8:1:3::6"), "2001:db8:1:3::6", "it is of no such prefix");
}

#[test]
fn another_prefix_is_followed_only_where_the_old_one_has_gone() {
    for (addresses, expected) in [
        (vec![entry("2001:db8:1:2::5")], None),
        (vec![entry("2001:db8:9:8::5"), entry("2001:db8:1:2::5")], None),
        (vec![entry("2001:db8:9:8::5")], Some(NEW)),
        (vec![going("2001:db8:1:2::5"), entry("2001:db8:9:8::5")], Some(NEW)),
        (vec![going("2001:db8:1:2::5")], None),
        (vec![going("2001:db8:1:2::5"), going("2001:db8:9:8::5")], None),
        (Vec::new(), None),
    ] {
        let found = successor(prefix(OLD), &uplink(addresses.clone()));
        assert_eq!(found, expected.map(prefix), "{addresses:?}");
    }
}

#[test]
fn an_address_that_somebody_has_made_unpreferred_for_good_keeps_its_prefix() {
    let set = InterfaceAddress { flags: address_flags::DEPRECATED, valid: None, ..entry("2001:db8:1:2::5") };
    assert_eq!(successor(prefix(OLD), &uplink(vec![set, entry("2001:db8:9:8::5")])), None);
}

#[test]
fn a_part_of_the_links_prefix_keeps_its_place_and_a_wider_one_finds_none() {
    let today = uplink(vec![entry("2001:db8:9:8::5")]);
    assert_eq!(successor(prefix("2001:db8:1:2:8000::/80"), &today), Some(prefix("2001:db8:9:8:8000::/80")));
    assert_eq!(successor(prefix("2001:db8:1::/48"), &today), None);
}

#[test]
fn of_a_prefix_that_is_wider_than_a_link_only_the_64_around_the_host_is_taken() {
    let address = InterfaceAddress { prefix_len: 48, ..entry("2001:db8:9:8::5") };
    assert_eq!(successor(prefix(OLD), &uplink(vec![address])), Some(prefix(NEW)));
}

fn config() -> Config {
    Config { pool: Pool::Derived(prefix(OLD)), ..Config::for_tests() }
}

#[test]
fn a_prefix_that_was_never_lent_from_is_not_followed() {
    let mut config = config();
    config.follow(&State::default(), Some(&uplink(vec![entry("2001:db8:9:8::5")])));
    assert_eq!(config.pool, Pool::Derived(prefix(OLD)));
}

#[test]
fn the_files_prefix_is_lent_from_again_once_it_is_back() {
    let state = State {
        prefix: Some(StoredPrefix { configured: prefix(OLD), lent: prefix(NEW) }),
        ..State::default()
    };
    for (uplink, expected) in [
        (Some(uplink(vec![entry("2001:db8:9:8::5")])), NEW),
        (Some(uplink(vec![entry("2001:db8:9:8::5"), entry("2001:db8:1:2::5")])), OLD),
        (None, NEW),
    ] {
        let mut config = config();
        config.follow(&state, uplink.as_ref());
        assert_eq!(config.pool, Pool::Derived(prefix(expected)));
        let stored = StoredPrefix { configured: prefix(OLD), lent: prefix(expected) };
        assert_eq!(config.stored_prefix(), Some(stored));
    }
    let mut changed = Config { pool: Pool::Derived(prefix("2001:db8:7::/64")), ..config() };
    changed.follow(&state, Some(&uplink(vec![entry("2001:db8:9:8::5")])));
    assert_eq!(changed.pool, Pool::Derived(prefix("2001:db8:7::/64")), "another file, nothing to follow");
}
