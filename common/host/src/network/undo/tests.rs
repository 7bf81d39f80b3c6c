//! Undoing against a model of the kernel: stopped anywhere, begun again, with somebody else at work.

mod addresses;
mod settings;

use super::*;
use crate::network::{Proxy, ROUTE_PROTOCOL, Requirement, Route, plan};

fn entry(change: Change) -> Entry {
    Entry { at: 0, phase: Phase::Do, change, links: Default::default() }
}

fn address(number: u16) -> std::net::Ipv6Addr {
    std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number)
}

fn link(name: &str) -> crate::network::Link {
    crate::network::Link { index: 1, name: name.into(), mtu: 1500, up: true, mac: vec![2; 6] }
}

#[test]
fn a_route_and_a_proxy_entry_are_taken_back_newest_first() {
    let lease = [
        Requirement::Route(Route::to_host(address(1), "v6tun0")),
        Requirement::Proxy { link: "ens3".into(), address: address(1) },
    ];
    let mut observed = Observed { links: vec![link("ens3")], ..Observed::default() };
    let entries: Vec<Entry> = plan(&lease, &observed).into_iter().map(entry).collect();
    assert_eq!(undo(&entries, &observed), Undo::default(), "recorded, but never done");

    let route = Route::to_host(address(1), "v6tun0");
    observed.routes.push(Route { metric: route.effective_metric(), ..route });
    observed.proxies.push(Proxy { link: "ens3".into(), address: address(1) });
    let commands: Vec<String> = undo(&entries, &observed).changes.iter().map(Change::linux_command).collect();
    assert_eq!(
        commands,
        [
            "ip -6 neigh del proxy 2001:db8::1 dev ens3",
            &format!("ip -6 route del 2001:db8::1/128 dev v6tun0 proto {ROUTE_PROTOCOL}"),
        ]
    );
}

#[test]
fn a_route_that_is_not_ours_is_left() {
    let ours = Route::to_host(address(1), "v6tun0");
    let theirs = Route { protocol: 4, ..ours.clone() };
    let observed = Observed { routes: vec![theirs], ..Observed::default() };
    assert_eq!(undo(&[entry(Change::AddRoute(ours))], &observed).changes, []);
}

#[test]
fn a_change_that_was_repaired_is_taken_back_once() {
    let change = Change::AddProxy { link: "ens3".into(), address: address(1) };
    let mut observed = Observed { links: vec![link("ens3")], ..Observed::default() };
    observed.proxies.push(Proxy { link: "ens3".into(), address: address(1) });
    assert_eq!(undo(&[entry(change.clone()), entry(change)], &observed).changes.len(), 1);
}
