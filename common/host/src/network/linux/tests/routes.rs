use super::*;
use crate::network::{Prefix, ROUTE_PROTOCOL, Route, RouteKind, restore};

fn lent() -> Ipv6Addr {
    ip("2001:db8::2330")
}

fn default_via(gateway: &str, metric: u32, protocol: u8) -> Route {
    Route {
        destination: Ipv6Addr::UNSPECIFIED,
        prefix_len: 0,
        kind: RouteKind::Unicast,
        link: Some(UPLINK.into()),
        gateway: Some(ip(gateway)),
        metric,
        protocol,
    }
}

#[test]
fn proxy_entries_are_added_listed_and_deleted() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        let (link, address) = (UPLINK.to_owned(), lent());
        let proxies = async || network.observe(&[]).await.unwrap().proxies;
        let add = Change::AddProxy { link: link.clone(), address };
        let delete = Change::DeleteProxy { link: link.clone(), address };
        assert_eq!(proxies().await, []);
        for _ in 0..2 {
            network.apply(&add).await.unwrap();
            assert_eq!(proxies().await, [Proxy { link: link.clone(), address }]);
        }
        for _ in 0..2 {
            network.apply(&delete).await.unwrap();
            assert_eq!(proxies().await, []);
        }
    });
}

#[test]
fn a_lease_is_set_up_once_and_taken_back_wholly() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        add_link(&network, "v6tun0").await;
        add(&network, plain(lent(), 64)).await;
        add(&network, plain(ip("2001:db8::2331"), 64)).await;
        let lease = [
            Requirement::LinkUp { link: "v6tun0".into(), mtu: 1440 },
            Requirement::AddressAbsent { link: UPLINK.into(), address: lent() },
            Requirement::Route(Route::to_host(lent(), "v6tun0")),
            Requirement::Route(Route::unreachable(lent(), 4096)),
            Requirement::Proxy { link: UPLINK.into(), address: lent() },
        ];
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        let before = network.observe(&lease).await.unwrap();

        require(&network, &mut journal, &lease).await;
        let during = network.observe(&lease).await.unwrap();
        assert_eq!(plan(&lease, &during), [], "everything required is so");
        assert_eq!(during.link("v6tun0").unwrap().mtu, 1440);
        assert_eq!(during.routes.iter().filter(|r| r.protocol == ROUTE_PROTOCOL).count(), 2);
        assert_eq!(network.route_to(lent().into()).await.unwrap().unwrap().link, "v6tun0");

        restore(&network, journal).await.unwrap();
        let after = network.observe(&lease).await.unwrap();
        assert_eq!(after.addresses, before.addresses);
        assert_eq!(after.proxies, before.proxies);
        assert_eq!(after.routes, before.routes);
    });
}

#[test]
fn a_restoration_survives_that_the_links_have_gone() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        add_link(&network, "v6tun0").await;
        let lease = [
            Requirement::Route(Route::to_host(lent(), "v6tun0")),
            Requirement::Route(Route::unreachable(lent(), 4096)),
            Requirement::Proxy { link: UPLINK.into(), address: lent() },
        ];
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        require(&network, &mut journal, &lease).await;
        for link in ["v6tun0", UPLINK] {
            let index = network.index_of(link).await.unwrap();
            handle().link().del(index).execute().await.unwrap();
        }
        restore(&network, journal).await.unwrap();
        let routes = network.observe(&[]).await.unwrap().routes;
        assert!(!routes.iter().any(|route| route.protocol == ROUTE_PROTOCOL), "{routes:?}");
    });
}

#[test]
fn the_default_route_is_the_one_of_the_lowest_metric() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        assert_eq!(network.default_route().await.unwrap(), None);
        network.apply(&Change::AddRoute(default_via("fe80::2", 2048, 3))).await.unwrap();
        network.apply(&Change::AddRoute(default_via("fe80::1", 0, 9))).await.unwrap();

        let route = network.default_route().await.unwrap().unwrap();
        assert_eq!((route.link.as_str(), route.gateway), (UPLINK, Some(ip("fe80::1"))));
        assert_eq!((route.metric, route.protocol), (1024, 9));
        assert!(route.learnt_from_ra_by_kernel);

        network.sysctls.write(&key(UPLINK, "accept_ra"), "0").unwrap();
        let route = network.default_route().await.unwrap().unwrap();
        assert!(!route.learnt_from_ra_by_kernel, "a daemon listens, not the kernel");
    });
}

#[test]
fn the_uplinks_prefixes_are_those_without_a_gateway() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        add(&network, plain(ip("2001:db8::133"), 128)).await;
        add(&network, plain(lent(), 64)).await;
        network.apply(&Change::AddRoute(default_via("fe80::1", 0, 9))).await.unwrap();
        let observed = network.observe(&[]).await.unwrap();
        let prefix = Prefix { address: ip("2001:db8::"), prefix_len: 64 };
        assert_eq!(observed.on_link_prefixes(UPLINK), [prefix]);
        assert!(prefix.contains(lent()));
    });
}

#[test]
fn the_route_to_an_address_says_link_gateway_source_and_mtu() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        let far = ip("2001:db8:ffff::1");
        assert_eq!(network.route_to(far.into()).await.unwrap(), None);
        add(&network, plain(lent(), 64)).await;
        network.apply(&Change::AddRoute(default_via("2001:db8::1", 0, 3))).await.unwrap();
        let route = network.route_to(far.into()).await.unwrap().unwrap();
        assert_eq!((route.link.as_str(), route.mtu), (UPLINK, 1500));
        assert_eq!(route.gateway, Some(ip("2001:db8::1").into()));
        assert_eq!(route.source, Some(lent().into()));
        network.apply(&Change::AddRoute(Route::unreachable(far, 0))).await.unwrap();
        assert_eq!(network.route_to(far.into()).await.unwrap(), None);
        assert_eq!(network.route_to("192.0.2.1".parse().unwrap()).await.unwrap(), None);
    });
}

#[test]
fn a_refused_change_names_its_subject_and_the_kernels_reason() {
    in_namespace(async |network| {
        let error = network.apply(&Change::AddRoute(Route::to_host(lent(), "v6tun0"))).await.unwrap_err();
        assert_eq!(error.to_string(), "add route 2001:db8::2330/128 dev v6tun0: No such device");
        add_link(&network, UPLINK).await;
        let error = network.apply(&Change::AddRoute(default_via("2001:db8::1", 0, 3))).await.unwrap_err();
        assert_eq!(error.to_string(), "add route default via 2001:db8::1 dev ens3: No route to host");
    });
}

#[test]
fn a_route_to_the_same_place_that_leads_elsewhere_is_an_error() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        add_link(&network, "v6tun0").await;
        let theirs = Route { protocol: 4, ..Route::to_host(lent(), UPLINK) };
        let ours = Change::AddRoute(Route::to_host(lent(), "v6tun0"));
        network.apply(&Change::AddRoute(theirs.clone())).await.unwrap();
        let error = network.apply(&ours).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "add route 2001:db8::2330/128 dev v6tun0: another route (2001:db8::2330/128 dev ens3 metric 1024 \
             proto 4) stands in the way"
        );
        network.apply(&Change::DeleteRoute(theirs)).await.unwrap();
        for _ in 0..2 {
            network.apply(&ours).await.unwrap();
        }
    });
}
