//! Giving the host back as it was found.

use anyhow::{Context, Result};
use std::path::Path;
use tracing::{info, warn};
use v6tun_cli::{Failure, hinted};
use v6tun_host::network::{Identity, Journal, JournalError, Network, restore};

/// The journal of this boot and network namespace; empty where nothing was left.
pub(crate) fn open_journal(path: &Path) -> Result<Journal> {
    let identity = Identity::current().context("ask which boot this is")?;
    Journal::open(path, identity).map_err(hinted(JournalError::hint))
}

/// Undoes what a killed server left. Does nothing where there is no journal.
pub(crate) async fn leftovers(network: &Network, path: &Path) -> Result<()> {
    let journal = open_journal(path)?;
    if journal.is_empty() {
        return everything(network, journal).await;
    }
    info!("a server was killed here; restoring the host");
    everything(network, journal).await
}

/// Undoes all that the journal holds.
pub(crate) async fn everything(network: &Network, journal: Journal) -> Result<()> {
    let notes = restore(network, journal).await.map_err(|error| {
        Failure::failed(format!("the host is not restored: {error}"))
            .with_hint("mend what it names, then run `v6tun-server down` again: the journal is kept")
    })?;
    for note in notes {
        warn!("{note}");
    }
    Ok(())
}
