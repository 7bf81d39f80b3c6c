//! The PC's network through adapters of wintun: made here, configured, and looked at again.
//!
//! They need wintun.dll beside the test program, an administrator, and functions that Wine lacks: a real Windows, or the
//! doubles of `tests/windows`. So they run only where `V6TUN_TEST_ADAPTERS` is set; IPv4 and other adapters are left
//! alone.

#![cfg(windows)]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene fails")]

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use v6tun_host::network::{
    AddressWatch, Change, Entry, InterfaceAddress, Network, Observed, Phase, Requirement, Route, plan, undo,
};
use v6tun_host::tun::Tun;

/// What follows from a call comes within this time.
const LIMIT: Duration = Duration::from_secs(10);

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// Runs `test` with an adapter of this name, which is there as long as the test.
fn with_adapter(name: &str, test: impl AsyncFnOnce(&Network)) {
    if std::env::var_os("V6TUN_TEST_ADAPTERS").is_none() {
        println!("skipped: V6TUN_TEST_ADAPTERS is not set");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _tun = Tun::create(name).unwrap();
        test(&Network::open().unwrap()).await;
    });
}

/// What the client requires, but for the firewall.
fn requirements(link: &str, own: Ipv6Addr) -> Vec<Requirement> {
    let link = link.to_owned();
    let default = Route { destination: Ipv6Addr::UNSPECIFIED, prefix_len: 0, ..Route::to_host(own, &link) };
    vec![
        Requirement::LinkUp { link: link.clone(), mtu: 1440 },
        Requirement::InterfaceMetric { link: link.clone(), metric: 3 },
        Requirement::NameServers { link: link.clone(), servers: vec![address("2001:db8::53")] },
        Requirement::AddressPresent { link, address: own, prefix_len: 128 },
        Requirement::Route(default),
    ]
}

async fn carry_out(network: &Network, changes: &[Change]) {
    for change in changes {
        network.apply(change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
    }
}

/// The changes as a journal has them.
fn journalled(changes: Vec<Change>) -> Vec<Entry> {
    let entry = |change| Entry { at: 0, phase: Phase::Do, change, links: BTreeMap::new() };
    changes.into_iter().map(entry).collect()
}

fn about(observed: &Observed, link: &str) -> impl PartialEq + std::fmt::Debug {
    let routes: Vec<Route> =
        observed.routes.iter().filter(|route| route.link.as_deref() == Some(link)).cloned().collect();
    let addresses = observed.addresses_of(link).to_vec();
    (addresses, routes, observed.metrics.get(link).copied(), observed.name_servers.get(link).cloned())
}

#[test]
fn what_is_required_is_done_seen_and_taken_back() {
    with_adapter("v6tun-t1", async |network| {
        let (link, own) = ("v6tun-t1", address("2001:db8:aaaa::1"));
        let desired = requirements(link, own);
        let before = network.observe(&desired).await.unwrap();
        assert_eq!(before.metrics.get(link), Some(&None), "Windows chooses the metric");

        let changes = plan(&desired, &before);
        assert_eq!(changes.len(), desired.len(), "{changes:?}");
        carry_out(network, &changes).await;
        let observed = network.observe(&desired).await.unwrap();
        assert_eq!(plan(&desired, &observed), [], "all is as required");
        assert_eq!((observed.link(link).unwrap().mtu, observed.link_metrics[link]), (1440, 3));
        let default = observed.default_route().unwrap();
        assert_eq!((default.link.as_str(), default.metric), (link, 3));

        let entries = journalled(changes);
        let back = undo(&entries, &network.observe_for_undo(&entries).await.unwrap());
        assert_eq!((back.changes.len(), back.notes.as_slice()), (4, [].as_slice()), "all but the link's MTU");
        carry_out(network, &back.changes).await;
        let after = network.observe_for_undo(&entries).await.unwrap();
        assert_eq!(about(&after, link), about(&before, link));
        assert_eq!(undo(&entries, &after).changes, []);
    });
}

#[test]
fn the_way_through_the_tunnel_has_its_mtu_and_its_address() {
    with_adapter("v6tun-t2", async |network| {
        let (link, own) = ("v6tun-t2", address("2001:db8:bbbb::1"));
        let somewhere = address("2001:db8:bbbb:1::80");
        let up = Change::SetLinkUp { link: link.to_owned(), mtu: 1400 };
        let own_address = InterfaceAddress::permanent(own, 128);
        let add = Change::AddAddress { link: link.to_owned(), address: own_address };
        carry_out(network, &[up, add, Change::AddRoute(Route::to_host(somewhere, link))]).await;
        let way = network.route_to(somewhere.into()).await.unwrap().unwrap();
        assert_eq!((way.link.as_str(), way.mtu, way.gateway), (link, 1400, None));
        assert_eq!(way.source, Some(own.into()));
    });
}

#[test]
fn what_is_done_already_is_no_error_and_what_is_in_the_way_is_named() {
    with_adapter("v6tun-t3", async |network| {
        let (link, own) = ("v6tun-t3".to_owned(), address("2001:db8:cccc::1"));
        let own_address = InterfaceAddress::permanent(own, 128);
        let route = Route { metric: 7, ..Route::to_host(address("2001:db8:cccc:1::80"), &link) };
        let add = Change::AddAddress { link: link.clone(), address: own_address };
        let add_route = Change::AddRoute(route.clone());
        carry_out(network, &[add.clone(), add.clone(), add_route.clone(), add_route.clone()]).await;

        let other = Change::AddRoute(Route { metric: 9, ..route });
        let error = network.apply(&other).await.unwrap_err().to_string();
        assert!(error.ends_with("the same route stands there with metric 7"), "{error}");

        let (delete, delete_route) = (add.inverse().unwrap(), add_route.inverse().unwrap());
        carry_out(network, &[delete.clone(), delete, delete_route.clone(), delete_route]).await;
    });
}

#[test]
fn on_an_adapter_that_has_gone_nothing_is_left_to_take_away_and_nothing_can_be_added() {
    with_adapter("v6tun-t4", async |network| {
        let route = Route::to_host(address("2001:db8:dddd::80"), "v6tun-gone");
        carry_out(network, &[Change::DeleteRoute(route.clone())]).await;
        let error = network.apply(&Change::AddRoute(route)).await.unwrap_err().to_string();
        assert!(error.ends_with("there is no adapter called v6tun-gone"), "{error}");
    });
}

#[test]
fn a_listener_hears_of_a_change_and_of_none_that_came_before_it() {
    with_adapter("v6tun-t5", async |network| {
        let mut watch = AddressWatch::open().unwrap();
        let own_address = InterfaceAddress::permanent(address("2001:db8:eeee::1"), 128);
        let add = Change::AddAddress { link: "v6tun-t5".to_owned(), address: own_address };
        carry_out(network, &[add]).await;
        tokio::time::timeout(LIMIT, watch.changed()).await.unwrap();
        drop(watch);
        // Those that are cancelled leave no trace, and others can be made.
        let mut again = AddressWatch::open().unwrap();
        let route = Route::to_host(address("2001:db8:eeee::2"), "v6tun-t5");
        carry_out(network, &[Change::AddRoute(route)]).await;
        tokio::time::timeout(LIMIT, again.changed()).await.unwrap();
    });
}
