//! Hearing of changes that somebody else makes.

use tokio::time::timeout;

use super::addresses::pool;
use super::*;
use crate::network::Route;

/// Far less than the second within which the host is to be repaired.
const SOON: Duration = Duration::from_millis(200);

async fn hears(watch: &mut AddressWatch) -> bool {
    timeout(SOON, watch.changed()).await.is_ok()
}

/// What is still to come of what the test has prepared.
async fn until_quiet(watch: &mut AddressWatch) {
    while hears(watch).await {}
}

#[test]
fn an_address_a_route_a_link_and_forwarding_are_heard_of_and_then_it_is_quiet() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        let mut watch = AddressWatch::open().unwrap();
        until_quiet(&mut watch).await;

        add(&network, plain(pool(1), 64)).await;
        assert!(hears(&mut watch).await, "an address");
        until_quiet(&mut watch).await;
        network.apply(&Change::AddRoute(Route::to_host(pool(2), UPLINK))).await.unwrap();
        assert!(hears(&mut watch).await, "a route");
        assert!(!hears(&mut watch).await, "nothing more");
        network.apply(&Change::SetLinkUp { link: UPLINK.into(), mtu: 1400 }).await.unwrap();
        assert!(hears(&mut watch).await, "a link");
        until_quiet(&mut watch).await;
        for name in ["proxy_ndp", "forwarding"] {
            let key = SysctlKey::ipv6_conf(UPLINK, name).unwrap();
            let (from, to) = (Some("0".to_owned()), "1".to_owned());
            network.apply(&Change::SetSysctl { key, from, to }).await.unwrap();
            assert!(hears(&mut watch).await, "{name}");
            until_quiet(&mut watch).await;
        }
    });
}

#[test]
fn a_burst_is_told_of_once_and_one_who_stops_waiting_loses_nothing() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        let mut watch = AddressWatch::open().unwrap();
        until_quiet(&mut watch).await;
        for number in 0..100 {
            network.apply(&Change::AddRoute(Route::to_host(pool(number), UPLINK))).await.unwrap();
        }
        // Long enough to take the messages, and not to tell of them.
        timeout(Duration::from_millis(5), watch.changed()).await.unwrap_err();
        assert!(hears(&mut watch).await);
        assert!(!hears(&mut watch).await, "all hundred were one");
    });
}

#[test]
fn messages_that_the_kernel_could_not_keep_are_a_change() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        let mut watch = AddressWatch::open().unwrap();
        watch.narrow();
        until_quiet(&mut watch).await;
        for number in 0..100 {
            network.apply(&Change::AddRoute(Route::to_host(pool(number), UPLINK))).await.unwrap();
        }
        assert!(hears(&mut watch).await);
        until_quiet(&mut watch).await;
        network.apply(&Change::DeleteRoute(Route::to_host(pool(1), UPLINK))).await.unwrap();
        assert!(hears(&mut watch).await, "it still listens");
    });
}
