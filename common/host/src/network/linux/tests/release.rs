//! One lease ends while another goes on.

use super::addresses::{FAR, on_uplink, pool, vps};
use super::*;
use crate::network::undo::undo_some;
use crate::network::{Phase, Route, release, restore};

/// Lent first, and not the preferred one.
const GOES: u16 = 0x2338;
/// Lent second: the VPS's preferred source.
const STAYS: u16 = 0x233f;

async fn start(network: &Network) -> Seen {
    vps(network).await;
    add_link(network, "v6tun0").await;
    for number in [GOES, STAYS] {
        // What loses its source with the address.
        let source = pool(number).to_string();
        let destination = format!("2001:db8:{number:x}::/48");
        iproute(&["-6", "route", "add", &destination, "dev", UPLINK, "src", &source]);
    }
    look(network).await
}

fn lease(number: u16) -> [Requirement; 4] {
    [
        Requirement::Route(Route::unreachable(pool(number), u32::MAX - 1)),
        Requirement::Route(Route::to_host(pool(number), "v6tun0")),
        Requirement::AddressAbsent { link: UPLINK.into(), address: pool(number) },
        Requirement::Proxy { link: UPLINK.into(), address: pool(number) },
    ]
}

fn is_of(number: u16) -> impl Fn(&Change) -> bool {
    move |change| change.concerns(pool(number))
}

/// Everything that a lease touches.
#[derive(Debug, PartialEq)]
struct Seen {
    addresses: Vec<InterfaceAddress>,
    routes: Vec<String>,
    proxies: Vec<Proxy>,
    source: String,
}

async fn look(network: &Network) -> Seen {
    let mut routes: Vec<String> = all_routes(network).await.lines().map(str::to_owned).collect();
    routes.sort();
    Seen {
        addresses: on_uplink(network).await,
        routes,
        proxies: network.observe(&[]).await.unwrap().proxies,
        source: iproute(&["-6", "route", "get", FAR]),
    }
}

#[test]
fn one_lease_ends_as_if_it_had_never_been_and_the_other_goes_on() {
    in_namespace(async |network| {
        let before = start(&network).await;
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        require(&network, &mut journal, &lease(STAYS)).await;
        let with_one = (look(&network).await, journal.entries().len());
        require(&network, &mut journal, &lease(GOES)).await;

        let notes = release(&network, &mut journal, is_of(GOES)).await.unwrap();

        assert_eq!(notes, Vec::<String>::new());
        assert_eq!((look(&network).await, journal.entries().len()), with_one);
        drop(journal);
        restore(&network, journal_in(folder.path())).await.unwrap();
        assert_eq!(look(&network).await, before);
    });
}

#[test]
fn the_lease_that_began_first_may_end_first() {
    in_namespace(async |network| {
        let before = start(&network).await;
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        require(&network, &mut journal, &lease(GOES)).await;
        require(&network, &mut journal, &lease(STAYS)).await;
        release(&network, &mut journal, is_of(GOES)).await.unwrap();
        let after = look(&network).await;
        let rest = before.addresses.iter().filter(|a| a.address != pool(STAYS)).cloned();
        assert_eq!(after.addresses, rest.collect::<Vec<_>>());
        assert_eq!(after.proxies, [Proxy { link: UPLINK.into(), address: pool(STAYS) }]);
        assert_eq!(release(&network, &mut journal, is_of(GOES)).await.unwrap(), Vec::<String>::new());
        assert_eq!(look(&network).await, after, "a second time there is nothing to do");
        release(&network, &mut journal, is_of(STAYS)).await.unwrap();
        assert_eq!(look(&network).await, before);
        assert!(journal.is_empty());
        restore(&network, journal).await.unwrap();
        assert!(!folder.path().join("undo").exists());
    });
}

#[test]
fn a_release_that_is_killed_after_any_change_is_undone_with_the_rest() {
    in_namespace(async |network| {
        let before = start(&network).await;
        for stop in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let mut journal = journal_in(folder.path());
            require(&network, &mut journal, &lease(GOES)).await;
            require(&network, &mut journal, &lease(STAYS)).await;
            let observed = network.observe_for_undo(journal.entries()).await.unwrap();
            let changes = undo_some(journal.entries(), &observed, is_of(GOES)).changes;
            let all = changes.len();
            for change in changes.into_iter().take(stop) {
                if matches!(change, Change::RaiseAddress { .. }) {
                    journal.record(network.boot_seconds(), Phase::Undo, &change).unwrap();
                }
                network.apply(&change).await.unwrap();
            }
            drop(journal);
            restore(&network, journal_in(folder.path())).await.unwrap();
            assert_eq!(look(&network).await, before, "killed after {stop} changes");
            if stop == all {
                assert!(all > 8, "{all} changes");
                break;
            }
        }
    });
}

#[test]
fn leases_without_end_do_not_make_the_journal_grow() {
    in_namespace(async |network| {
        let before = start(&network).await;
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        require(&network, &mut journal, &lease(STAYS)).await;
        let size = || std::fs::metadata(folder.path().join("undo")).unwrap().len();
        let first = size();
        for round in 0..100 {
            require(&network, &mut journal, &lease(GOES)).await;
            release(&network, &mut journal, is_of(GOES)).await.unwrap();
            assert_eq!(size(), first, "round {round}");
        }
        restore(&network, journal).await.unwrap();
        assert_eq!(look(&network).await, before);
    });
}
