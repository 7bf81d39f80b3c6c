//! `v6tun-server down`: stops the server that runs, or cleans up after one that was killed.
//!
//! Needs no configuration: the journal says all. Returns when the host is restored.

use crate::args::GlobalArgs;
use crate::control::{ControlRequest, ControlResponse};
use crate::folders::Folders;
use crate::undo;
use anyhow::{Result, bail};
use std::time::Duration;
use v6tun_cli::hinted;
use v6tun_host::control_socket::{self, ControlError};
use v6tun_host::instance_lock::{InstanceLock, LockError};
use v6tun_host::network::Network;

/// How long a restoration may take: hundreds of leases at some milliseconds each, on a busy VPS.
const RESTORE_PATIENCE: Duration = Duration::from_secs(60);
/// How long a server that no longer answers may take to end.
const END_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(global: &GlobalArgs) -> Result<()> {
    let named = Folders::named(global);
    let answer =
        control_socket::request_within(&named.control_socket, &ControlRequest::Down, RESTORE_PATIENCE).await;
    match answer {
        Ok(Some(ControlResponse::Down)) => return Ok(()),
        Ok(Some(ControlResponse::Failed(why))) => bail!("the server could not restore the host: {why}"),
        Ok(Some(ControlResponse::Status(_))) => bail!("the server answered something else"),
        // It ended, or was killed, while it was asked: what it left is undone below.
        Err(error) if named.journal.exists() => tracing::debug!("{error}"),
        Err(error) => return Err(hinted(ControlError::hint)(error)),
        Ok(None) => {}
    }
    if !named.journal.exists() {
        return Ok(());
    }
    let folders = Folders::ensure(global)?;
    let _lock =
        InstanceLock::acquire_within(&folders.lock, END_PATIENCE).await.map_err(hinted(LockError::hint))?;
    let network = Network::open()?;
    undo::leftovers(&network, &folders.journal).await?;
    Ok(())
}
