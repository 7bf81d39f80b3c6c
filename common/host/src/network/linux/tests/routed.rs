//! What is routed to this host, and its IPv4 side.

use super::*;
use crate::network::{Prefix, Route};

/// Runs each as `ip` does; `false` where iproute2 is missing.
fn ip_each(commands: &[&str]) -> bool {
    if iproute(&["-V"]).is_empty() {
        eprintln!("skipped: needs iproute2");
        return false;
    }
    for command in commands {
        iproute(&command.split(' ').collect::<Vec<_>>());
    }
    true
}

async fn routed(network: &Network) -> Vec<String> {
    let observed = network.observe(&[]).await.unwrap();
    observed.routed_prefixes(UPLINK).iter().map(Prefix::to_string).collect()
}

#[test]
fn prefixes_that_end_at_this_host_are_routed_to_it() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        assert_eq!(routed(&network).await, Vec::<String>::new());
        let is_set = ip_each(&[
            "link set lo up",
            "addr add 2001:db8:1::1/64 dev lo",
            "-6 route add unreachable 2001:db8:5::/48 proto 16",
            "-6 route add blackhole 2001:db8:3::/56",
            "-6 route add prohibit 2001:db8:2::/64",
            "-6 route add local 2001:db8:4::/64 dev lo",
            // Twice the same, by another metric.
            "-6 route add unreachable 2001:db8:5::/48 metric 9",
        ]);
        let expected =
            ["2001:db8:1::/64", "2001:db8:2::/64", "2001:db8:3::/56", "2001:db8:4::/64", "2001:db8:5::/48"];
        assert!(!is_set || routed(&network).await == expected, "{:?}", routed(&network).await);
    });
}

#[test]
fn what_is_on_the_link_ours_of_one_address_or_not_global_is_not_routed_here() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        add(&network, plain(ip("2001:db8:1::2"), 64)).await;
        let mut refused = Route::unreachable(ip("2001:db8:2::"), 0);
        refused.prefix_len = 64;
        network.apply(&Change::AddRoute(refused)).await.unwrap();
        ip_each(&[
            "link set lo up",
            "addr add 2001:db8:1::9/64 dev lo",
            "-6 route add unreachable 2001:db8:1::/56",
            "addr add 2001:db8:3::1/128 dev lo",
            "-6 route add unreachable 2001:db8:4::/124",
            "-6 route add unreachable 2001::/16",
            "-6 route add unreachable fd00:1::/48",
            "-6 route add unreachable default metric 9999",
            "-6 route add unreachable 2001:db8:6::/48 table 100",
            "-6 route add 2001:db8:7::/48 dev ens3-far",
            "-6 route add throw 2001:db8:8::/48",
        ]);
        assert_eq!(routed(&network).await, Vec::<String>::new());
    });
}

#[test]
fn the_ipv4_addresses_of_global_scope_and_the_source_towards_the_internet_are_found() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        let is_set = ip_each(&[
            "link set lo up",
            "addr add 203.0.113.233/24 dev ens3",
            "addr add 10.0.0.5/24 dev ens3",
            "addr add 169.254.7.7/16 dev ens3 scope link",
            "addr add 198.51.100.1 peer 198.51.100.2/32 dev ens3-far",
            "route add default via 203.0.113.1",
        ]);
        if !is_set {
            return;
        }
        let found = network.ipv4_addresses().await.unwrap();
        let on = |link: &str| found[link].iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(on(UPLINK), ["203.0.113.233", "10.0.0.5"]);
        assert_eq!(on("ens3-far"), ["198.51.100.1"]);
        assert_eq!(found.len(), 2, "not the loopback: {found:?}");
        let route = network.route_to("192.0.2.1".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(route.source, Some("203.0.113.233".parse().unwrap()));
        assert_eq!((route.link.as_str(), route.gateway), (UPLINK, Some("203.0.113.1".parse().unwrap())));
    });
}
