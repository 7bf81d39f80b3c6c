//! Routes that are not v6tun's own are the same after a lease as before, wherever it was killed.

use super::*;
use crate::network::{Phase, SourcedRoute, restore, undo};

const LENT: &str = "2001:db8::1";

/// Two addresses, the lent one behind the other, so that the other must be raised, and the administrator's routes
/// about them. `false` where iproute2 is missing, which is what makes such routes here.
async fn host(network: &Network) -> bool {
    if iproute(&["-V"]).is_empty() {
        eprintln!("skipped: needs iproute2");
        return false;
    }
    add_link(network, UPLINK).await;
    add_link(network, "eth9").await;
    add(network, plain(ip(LENT), 64)).await;
    add(network, InterfaceAddress { route_priority: Some(77), ..plain(ip("2001:db8:0:1::1"), 64) }).await;
    add(network, plain(ip("2001:db8::2"), 80)).await;
    for route in [
        "2001:db8::/64 dev ens3 metric 100 mtu 1400",
        "2001:db8::/80 dev ens3 metric 30 src 2001:db8::2",
        "2001:db8:0:1::/64 dev ens3 metric 50 proto static",
        "default via 2001:db8::fe dev ens3 src 2001:db8::1 metric 50 mtu 1380",
        "2001:db8:5::/48 via 2001:db8::fe dev ens3 src 2001:db8::1 table 100",
        "2001:db8:6::/48 dev eth9 metric 9",
        "2001:db8:6::/48 dev ens3 src 2001:db8::1 metric 9",
        "2001:db8:7::/48 src 2001:db8::2 nexthop via 2001:db8::fd dev ens3 nexthop via 2001:db8::fe dev ens3",
    ] {
        // `append` where another link has the same destination and metric.
        let words = ["-6", "route", "append"].into_iter().chain(route.split(' '));
        iproute(&words.collect::<Vec<_>>());
    }
    true
}

fn lend() -> [Requirement; 1] {
    [Requirement::AddressAbsent { link: UPLINK.into(), address: ip(LENT) }]
}

/// What `ip -6 route` prints, without regard to the order among routes of equal destination and metric.
async fn routes(network: &Network) -> Vec<String> {
    let mut lines: Vec<String> = all_routes(network).await.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn the_administrators_routes_are_as_before_after_a_lease() {
    in_namespace(async |network| {
        if !host(&network).await {
            return;
        }
        let before = routes(&network).await;
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        require(&network, &mut journal, &lend()).await;
        let during = routes(&network).await;
        let on_link = "2001:db8::/64 dev ens3 metric 100 mtu 1400";
        assert!(during.iter().any(|route| route.starts_with(on_link)), "{during:#?}");
        assert!(!during.iter().any(|route| route.contains("src 2001:db8::1")), "{during:#?}");
        assert_eq!(restore(&network, journal).await.unwrap(), Vec::<String>::new());
        assert_eq!(routes(&network).await, before);
    });
}

#[test]
fn an_undoing_that_is_stopped_after_any_change_still_gives_the_routes_back() {
    in_namespace(async |network| {
        if !host(&network).await {
            return;
        }
        let before = routes(&network).await;
        for stop in 0..9 {
            let folder = tempfile::tempdir().unwrap();
            let mut journal = journal_in(folder.path());
            require(&network, &mut journal, &lend()).await;
            let observed = network.observe_for_undo(journal.entries()).await.unwrap();
            let changes = undo(journal.entries(), &observed).changes;
            assert!(changes.len() > 5, "{changes:#?}");
            for change in changes.into_iter().take(stop) {
                journal.record(network.boot_seconds(), Phase::Undo, &change).unwrap();
                network.apply(&change).await.unwrap();
            }
            drop(journal);
            restore(&network, journal_in(folder.path())).await.unwrap();
            assert_eq!(routes(&network).await, before, "stopped after {stop} changes");
        }
    });
}

#[test]
fn raising_an_address_leaves_every_route_as_it_is() {
    in_namespace(async |network| {
        if !host(&network).await {
            return;
        }
        let before = routes(&network).await;
        let list = network.observe(&[]).await.unwrap().addresses_of(UPLINK).to_vec();
        for address in list.into_iter().rev() {
            let raised = address.address;
            let raise = Change::RaiseAddress { link: UPLINK.into(), address, order: Vec::new() };
            network.apply(&raise).await.unwrap();
            assert_eq!(routes(&network).await, before, "{raised} raised");
        }
    });
}

#[test]
fn a_route_that_somebody_else_has_changed_since_is_left_alone() {
    in_namespace(async |network| {
        if !host(&network).await {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        require(&network, &mut journal, &lend()).await;
        iproute(&["-6", "route", "del", "2001:db8:5::/48", "table", "100"]);
        let theirs = "-6 route change default via 2001:db8::fe dev ens3 metric 50 mtu 1300";
        iproute(&theirs.split(' ').collect::<Vec<_>>());
        restore(&network, journal).await.unwrap();
        let after = routes(&network).await;
        assert!(!after.iter().any(|route| route.starts_with("2001:db8:5::/48")), "{after:#?}");
        assert!(
            !after.iter().any(|route| route.starts_with("default") && route.contains("src")),
            "{after:#?}"
        );
    });
}

#[test]
fn a_route_whose_address_does_not_come_back_is_noted() {
    in_namespace(async |network| {
        let sourced = |link: &str| SourcedRoute {
            link: link.into(),
            source: ip(LENT),
            text: "default dev ens3 metric 50".into(),
            way: "00".into(),
        };
        let lost = Change::LoseRouteSource(sourced(UPLINK));
        let entry =
            crate::network::Entry { at: 0, phase: Phase::Do, change: lost, links: Default::default() };
        let mut observed = network.observe(&[]).await.unwrap();
        observed.sourceless_ways.insert("00".into());
        let undo = undo(&[entry], &observed);
        assert_eq!(undo.changes, []);
        assert_eq!(undo.notes.len(), 1, "{:?}", undo.notes);
    });
}
