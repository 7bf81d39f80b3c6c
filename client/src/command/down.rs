//! `v6tun-client down`: stops the client that runs, or cleans up after one that was killed.
//!
//! Needs no configuration: the journal says all. Returns when this PC is restored.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use v6tun_host::{
    control_socket,
    instance_lock::{InstanceLock, LockError},
    network::Network,
    privilege,
};

use super::{Request, Response, up::restore};
use crate::{args::GlobalArgs, folders::Folders, hinted::OrFail};

/// How long the running client may take to restore this PC.
const RESTORE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a client that is starting or ending may hold the lock without listening.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How often such a client is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

pub(crate) async fn run(global: &GlobalArgs) -> Result<()> {
    let folders = Folders::named(global);
    ask(&folders).await?;
    if !folders.journal.try_exists().unwrap_or(true) && !folders.lock.try_exists().unwrap_or(true) {
        return Ok(());
    }
    privilege::require_net_admin().or_failed()?;
    let folders = Folders::ensure(global)?;
    let _lock = take_lock(&folders).await?;
    restore(&Network::open()?, &folders.journal).await
}

/// Asks the running client to stop, and waits until it has. No client: nothing happens.
async fn ask(folders: &Folders) -> Result<()> {
    let answer = control_socket::request_within(&folders.control_socket, &Request::Down, RESTORE_PATIENCE);
    match answer.await.or_failed()? {
        Some(Response::Down) | None => Ok(()),
        Some(Response::Failed(why)) => bail!("the client could not restore this PC: {why}"),
        Some(Response::Status(_)) => bail!("the client answered something else"),
    }
}

/// The lock says that nobody runs. A client that is just starting has it before it can be asked.
async fn take_lock(folders: &Folders) -> Result<InstanceLock> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match InstanceLock::acquire_within(&folders.lock, ASK_AGAIN).await {
            Err(LockError::Held { .. }) if Instant::now() < deadline => ask(folders).await?,
            outcome => return outcome.or_failed(),
        }
    }
}
