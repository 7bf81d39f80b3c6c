//! Giving the host back as it was found.

use crate::{OrFail, Role};
use anyhow::{Context, Result};
use std::path::Path;
use tracing::{info, warn};
use v6tun_cli::Failure;
use v6tun_host::network::{self, Identity, Journal, Network};

/// The journal of this boot and network namespace; empty where nothing was left.
///
/// # Errors
/// When it cannot be read or is damaged.
pub(crate) fn open_journal(path: &Path) -> Result<Journal> {
    let identity = Identity::current().context("cannot tell the boot and the network namespace")?;
    Journal::open(path, identity).or_failed()
}

/// The journal that a program begins with: empty, unless the one before has left host and tun to it on purpose. What a
/// killed one left is undone.
///
/// # Errors
/// As [`restore`].
pub(crate) async fn begin_journal(role: Role, network: &Network, path: &Path) -> Result<Journal> {
    let journal = open_journal(path)?;
    if !journal.is_empty() && journal.left_tun(&network.observe(&[]).await?.links).is_some() {
        return Ok(journal);
    }
    restore(role, network, journal).await?;
    open_journal(path)
}

/// Undoes what a program left, as its journal says. Without a journal nothing happens.
///
/// # Errors
/// As [`restore`].
pub(crate) async fn restore_leftovers(role: Role, network: &Network, journal: &Path) -> Result<()> {
    restore(role, network, open_journal(journal)?).await
}

/// Undoes all that the journal holds, and removes it.
///
/// # Errors
/// When something could not be undone: the rest is, and the journal stays for another attempt.
pub(crate) async fn restore(role: Role, network: &Network, journal: Journal) -> Result<()> {
    if journal.is_empty() {
        return journal.remove().or_failed();
    }
    info!("restoring {}", role.host);
    let notes = network::restore(network, journal).await.context(
        Failure::failed(format!("cannot restore {}", role.host))
            .with_hint(format!("mend what it names; then {} tries again", role.command("down"))),
    )?;
    for note in notes {
        warn!("{note}");
    }
    Ok(())
}
