//! This PC's network around the tunnel: another Wi-Fi, a new router, a line that is back, and the end of a sleep.
//!
//! The host tells that something has changed, not what: then the way to the server is looked at. Where it is another
//! one than before, the server learns the new address of this PC by a handshake at once, and need not be missed first.

use std::{net::IpAddr, time::Duration};

use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};
use v6tun_host::{
    network::{AddressWatch, Network, RouteTo},
    power::PowerWatch,
};

/// How long the network is left alone after a look at it: most changes that follow are the client's own.
const REST: Duration = Duration::from_millis(250);

/// The network, as far as the tunnel goes through it.
#[derive(Debug)]
pub(super) struct Surroundings {
    watch: Option<AddressWatch>,
    power: PowerWatch,
    rest_until: Instant,
    /// The way to the server, as it was seen last.
    way: Option<RouteTo>,
}

impl Surroundings {
    /// Begins to listen. Where that cannot be, the tunnel notices by itself, later.
    pub(super) fn watch(way: Option<RouteTo>) -> Self {
        let watch = AddressWatch::open().inspect_err(|error| warn!("{error}")).ok();
        Self { watch, power: PowerWatch::open(), rest_until: Instant::now(), way }
    }

    /// Returns when something has changed. If it is dropped before, nothing is lost.
    pub(super) async fn changed(&mut self) {
        sleep_until(self.rest_until).await;
        let watch = &mut self.watch;
        let changed = async {
            match watch {
                Some(watch) => watch.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => {}
            () = self.power.resumed() => {
                info!("this PC has woken up");
                // Whatever the way is, the server and the routers on it may have forgotten this PC.
                self.way = None;
            }
        }
        self.rest_until = Instant::now() + REST;
    }

    /// Looks at the way to the server, and returns it if it is another one than before.
    pub(super) async fn look(&mut self, network: &Network, server: IpAddr) -> Option<RouteTo> {
        let way = match network.route_to(server).await {
            Ok(way) => way,
            Err(error) => {
                debug!("{error}");
                return None;
            }
        };
        if way == self.way {
            return None;
        }
        match &way {
            Some(way) => info!(link = %way.link, source = ?way.source, "another way to the server"),
            None => info!("no way to the server"),
        }
        self.way.clone_from(&way);
        way
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use v6tun_host::power::report_resumed;

    use super::*;

    #[tokio::test]
    async fn after_a_sleep_the_way_to_the_server_counts_as_another_one() {
        let network = Network::open().unwrap();
        let server = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let way = network.route_to(server).await.unwrap();
        let mut surroundings = Surroundings { watch: None, ..Surroundings::watch(way.clone()) };
        assert_eq!(surroundings.look(&network, server).await, None);
        report_resumed();
        surroundings.changed().await;
        assert_eq!(surroundings.look(&network, server).await, way);
        assert_eq!(surroundings.look(&network, server).await, None);
    }
}
