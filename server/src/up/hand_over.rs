//! From one server to the next: `systemctl restart` (SIGUSR1) leaves host and tun as they are, and the next `up` goes on.
//!
//! Given back and taken again, an address would be the host's own for a moment, and its kernel would reset every
//! connection of the client.

use crate::config::Config;
use crate::lending::Lending;
use crate::uplink::Uplink;
use anyhow::Result;
use tracing::{info, warn};
use v6tun_host::network::{Journal, LeftTun, Network, release};
use v6tun_host::tun::Tun;
use v6tun_wire::OrFail;

/// Opens the tun that the server before has left, or else a new one, on a host that was given back. Whether it was left.
pub(super) async fn open_tun(
    network: &Network,
    journal: &mut Journal,
    config: &Config,
    uplink: &Uplink,
) -> Result<(Tun, bool)> {
    let left = journal.left_tun(&network.observe(&[]).await?.links);
    let is_left = left == Some(LeftTun { name: config.interface.clone(), uplink: uplink.link.name.clone() });
    if !is_left {
        let notes = release(network, journal, |_| true).await?;
        notes.iter().for_each(|note| warn!("{note}"));
    }
    let tun = Tun::create(&config.interface).or_failed()?;
    if is_left {
        // From now on it goes with this process again, however that ends.
        tun.set_persistent(false)?;
        info!("going on with what the server before has left");
    }
    Ok((tun, is_left))
}

/// Leaves host and tun to the next server. Whether that could be done: else all is given back.
pub(super) async fn hand_over(lending: &mut Lending<'_>, tun: &Tun) -> bool {
    let left = lending.leave(tun).await;
    if let Err(error) = &left {
        warn!("nothing is left to the next server: {error:#}");
    }
    left.is_ok()
}
