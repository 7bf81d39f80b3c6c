//! The commands that speak with a running program: `status` and `down`.

use crate::{Folders, GlobalArgs, OrFail, Request, Response, Role, restore};
use anyhow::{Result, bail};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::time::{Duration, Instant};
use v6tun_cli::Failure;
use v6tun_host::control_socket::{ControlError, request, request_within};
use v6tun_host::instance_lock::{InstanceLock, LockError};
use v6tun_host::network::Network;
use v6tun_host::privilege::require_net_admin;

/// How long the running program may take to restore the host: hundreds of leases at some milliseconds each, on
/// a busy VPS.
const RESTORE_PATIENCE: Duration = Duration::from_secs(60);
/// How long a program that is starting or ending may hold the lock without listening.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How often such a program is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// What the running program says of itself.
///
/// # Errors
/// With [`v6tun_cli::exit_code::NOT_RUNNING`] if nobody listens.
pub async fn status<S: DeserializeOwned>(role: Role, global: &GlobalArgs) -> Result<S> {
    let folders = Folders::named(role, global);
    match request(&folders.control_socket, &Request::Status).await.or_failed()? {
        Some(Response::Status(status)) => Ok(status),
        Some(Response::Failed(why)) => bail!("the {} does not tell: {why}", role.name),
        Some(Response::Down) => bail!("the {} answered something else", role.name),
        None => Err(Failure::not_running(format!("the {} is not running", role.name))
            .with_hint(format!("`sudo {} up` starts it", role.program))
            .into()),
    }
}

/// Stops the program that runs, or cleans up after one that was killed. Returns when the host is restored, also
/// where nothing ran. Needs no configuration: the journal says all.
///
/// # Errors
/// When the host could not be restored.
pub async fn down(role: Role, global: &GlobalArgs) -> Result<()> {
    let folders = Folders::named(role, global);
    ask_for_end(&folders).await?;
    if !folders.journal.try_exists().unwrap_or(true) && !folders.lock.try_exists().unwrap_or(true) {
        return Ok(());
    }
    require_net_admin().or_failed()?;
    let folders = Folders::ensure(role, global)?;
    let _lock = take_lock(&folders).await?;
    restore(role, &Network::open()?, &folders.journal).await
}

/// Asks the running program to stop, and waits until it has. None: nothing happens.
async fn ask_for_end(folders: &Folders) -> Result<()> {
    let name = folders.role.name;
    match request_within(&folders.control_socket, &Request::Down, RESTORE_PATIENCE).await {
        Ok(Some(Response::<IgnoredAny>::Down) | None) => Ok(()),
        Ok(Some(Response::Failed(why))) => bail!("the {name} could not restore {}: {why}", folders.role.host),
        Ok(Some(Response::Status(_))) => bail!("the {name} answered something else"),
        // It ended, or was killed, while it was asked: the lock and the journal tell what is left to do.
        Err(ControlError::Request { source, .. }) if is_cut_off(&source) => Ok(()),
        Err(error) => Err(error).or_failed(),
    }
}

fn is_cut_off(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// The lock says that nobody runs. A program that is just starting has it before it can be asked.
async fn take_lock(folders: &Folders) -> Result<InstanceLock> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match InstanceLock::acquire_within(&folders.lock, ASK_AGAIN).await {
            Err(LockError::Held { .. }) if Instant::now() < deadline => ask_for_end(folders).await?,
            outcome => return outcome.or_failed(),
        }
    }
}
