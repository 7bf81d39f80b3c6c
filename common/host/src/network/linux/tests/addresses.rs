use std::process::Stdio;

use super::*;
use crate::network::{Phase, Route, address_flags, restore, undo};

/// A destination that none of the addresses is nearer to than the others.
pub(super) const FAR: &str = "2001:db8:ffff::1";

/// The article's VPS: a /128, and sixteen addresses of one /64, made by nobody's special wish.
pub(super) async fn vps(network: &Network) {
    add_link(network, UPLINK).await;
    add(network, plain(ip("2001:db8::133:0:113:233"), 128)).await;
    for number in 0x2330..=0x233f {
        add(network, plain(pool(number), 64)).await;
    }
    let everywhere = Route { prefix_len: 0, ..Route::to_host(Ipv6Addr::UNSPECIFIED, UPLINK) };
    network.apply(&Change::AddRoute(everywhere)).await.unwrap();
}

pub(super) fn pool(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0xa133, 0, 0x113, number)
}

fn lend(numbers: &[u16]) -> Vec<Requirement> {
    let absent = |number: &u16| Requirement::AddressAbsent { link: UPLINK.into(), address: pool(*number) };
    numbers.iter().map(absent).collect()
}

pub(super) async fn on_uplink(network: &Network) -> Vec<InterfaceAddress> {
    network.observe(&[]).await.unwrap().addresses_of(UPLINK).to_vec()
}

pub(super) async fn stand_ins(network: &Network) -> Vec<Ipv6Addr> {
    stand_in::Received::observe(&network.netlink).await.unwrap().stand_ins
}

#[test]
fn three_lent_addresses_come_back_where_they_were_and_as_they_were() {
    in_namespace(async |network| {
        vps(&network).await;
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        let (before, ip_before) = (on_uplink(&network).await, iproute(&["-6", "-j", "addr"]));
        let (routes, source) = (all_routes(&network).await, iproute(&["-6", "route", "get", FAR]));

        require(&network, &mut journal, &lend(&[0x2330, 0x233f, 0x2337])).await;
        assert_eq!(on_uplink(&network).await.len(), before.len() - 3);
        assert_ne!(iproute(&["-6", "route", "get", FAR]), source, "the lent one was preferred");
        let notes = restore(&network, journal).await.unwrap();

        assert_eq!(notes, Vec::<String>::new());
        assert_eq!(on_uplink(&network).await, before);
        assert_eq!(iproute(&["-6", "-j", "addr"]), ip_before);
        assert_eq!(all_routes(&network).await, routes);
        assert_eq!(iproute(&["-6", "route", "get", FAR]), source);
        assert!(!folder.path().join("undo").exists());
    });
}

#[test]
fn an_undoing_that_is_stopped_after_any_change_is_finished_by_the_next() {
    in_namespace(async |network| {
        vps(&network).await;
        let before = on_uplink(&network).await;
        for stop in 0..18 {
            let folder = tempfile::tempdir().unwrap();
            let mut journal = journal_in(folder.path());
            require(&network, &mut journal, &lend(&[0x2331, 0x233e, 0x2335])).await;
            let observed = network.observe_for_undo(journal.entries()).await.unwrap();
            let changes = undo(journal.entries(), &observed).changes;
            network.stand_in(&changes).await.unwrap();
            assert!(!stand_ins(&network).await.is_empty());
            for change in changes.into_iter().take(stop) {
                journal.record(network.boot_seconds(), Phase::Undo, &change).unwrap();
                network.apply(&change).await.unwrap();
            }
            restore(&network, journal).await.unwrap();
            assert_eq!(on_uplink(&network).await, before, "stopped after {stop} changes");
            assert_eq!(stand_ins(&network).await, Vec::<Ipv6Addr>::new(), "stopped after {stop} changes");
        }
    });
}

#[test]
fn flags_lifetimes_protocol_metric_and_peer_are_given_back() {
    in_namespace(async |network| {
        vps(&network).await;
        let special = [
            InterfaceAddress {
                flags: address_flags::NOPREFIXROUTE | address_flags::HOMEADDRESS,
                ..plain(pool(0xa), 64)
            },
            InterfaceAddress {
                valid: Some(9000),
                preferred: Some(3000),
                protocol: 118,
                ..plain(pool(0xb), 64)
            },
            InterfaceAddress { route_priority: Some(77), ..plain(pool(0xc), 80) },
            InterfaceAddress { peer: Some(ip("2001:db8:9::1")), ..plain(pool(0xd), 128) },
            InterfaceAddress { flags: address_flags::NODAD, ..plain(pool(0xe), 64) },
            InterfaceAddress { valid: Some(9000), preferred: Some(0), ..plain(pool(0xf), 64) },
        ];
        for address in special {
            add(&network, address).await;
        }
        let before = on_uplink(&network).await;
        let routes = all_routes(&network).await;
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());

        // The lent one stands behind the special ones, so that all of those must be raised.
        require(&network, &mut journal, &lend(&[0x2330, 0xb, 0xd])).await;
        restore(&network, journal).await.unwrap();

        let without_seconds = |list: &[InterfaceAddress]| -> Vec<InterfaceAddress> {
            let forget = |seconds: Option<u32>| seconds.map(|left| left / 100);
            list.iter()
                .map(|a| InterfaceAddress {
                    valid: forget(a.valid.map(|v| v + 50)),
                    preferred: forget(a.preferred.map(|v| v + 50)),
                    ..a.clone()
                })
                .collect()
        };
        assert_eq!(without_seconds(&on_uplink(&network).await), without_seconds(&before));
        assert_eq!(all_routes(&network).await, routes);
    });
}

#[test]
fn a_tentative_address_is_given_back_ready_for_use() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        network.sysctls.write(&key(UPLINK, "accept_dad"), "1").unwrap();
        add(&network, plain(pool(1), 64)).await;
        let list = on_uplink(&network).await;
        let lent = list.iter().find(|a| a.address == pool(1)).unwrap();
        let lent = InterfaceAddress { flags: lent.flags | address_flags::TENTATIVE, ..lent.clone() };
        let order = vec![pool(1)];
        network
            .apply(&Change::DeleteAddress {
                link: UPLINK.into(),
                address: lent.clone(),
                order: order.clone(),
            })
            .await
            .unwrap();
        add(&network, lent.clone()).await;
        let raise = Change::RaiseAddress { link: UPLINK.into(), address: lent, order };
        network.apply(&raise).await.unwrap();
        let back = on_uplink(&network).await.into_iter().find(|a| a.address == pool(1)).unwrap();
        assert!(back.is_usable(), "{back:?}");
        assert_eq!(back.configured_flags(), 0);
    });
}

#[test]
fn giving_back_what_is_back_already_is_no_error() {
    in_namespace(async |network| {
        vps(&network).await;
        let address = on_uplink(&network).await[3].clone();
        let link = UPLINK.to_owned();
        network.apply(&Change::AddAddress { link: link.clone(), address: address.clone() }).await.unwrap();
        let delete = Change::DeleteAddress { link, address, order: Vec::new() };
        network.apply(&delete).await.unwrap();
        network.apply(&delete).await.unwrap();
    });
}

const RAISER: &str = "network::linux::tests::addresses::raises_an_address_until_it_is_killed";

#[test]
fn raises_an_address_until_it_is_killed() {
    // Only as a process of its own, started by the next test.
    let Ok(index) = std::env::var("V6TUN_TEST_RAISE_ON") else { return };
    let index = index.parse().unwrap();
    loop {
        address::raise(index, &plain(pool(0x2335), 64), &[]).unwrap();
    }
}

#[test]
fn a_kill_never_falls_between_deleting_and_adding() {
    in_namespace(async |network| {
        vps(&network).await;
        let index = network.index_of(UPLINK).await.unwrap().to_string();
        let mut raised = 0;
        for round in 0..40_u64 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", RAISER])
                .env("V6TUN_TEST_RAISE_ON", &index)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Not a wait for something: the moment of the kill is what is varied.
            tokio::time::sleep(Duration::from_micros(4000 + 977 * round)).await;
            child.kill().unwrap();
            child.wait().unwrap();
            let list = on_uplink(&network).await;
            raised += usize::from(list[0].address == pool(0x2335));
            assert_eq!(list.len(), 18, "with the link-local one; round {round}");
            assert!(
                list.iter()
                    .all(|a| a.configured_flags() & address_flags::NODAD == 0 || a.address != pool(0x2335))
            );
        }
        assert!(raised > 20, "the child came to raise the address in {raised} rounds only");
    });
}
