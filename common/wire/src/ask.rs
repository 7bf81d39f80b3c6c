//! The commands that speak with a running program: `status`, `down`, and its own orders.

use crate::{Folders, GlobalArgs, Locks, Operated, OrFail, Request, Response, Role, restore_leftovers};
use anyhow::{Context, Result, bail};
use serde::de::IgnoredAny;
use std::time::{Duration, Instant};
use v6tun_cli::Failure;
use v6tun_host::control_socket::{ControlError, request, request_within};
use v6tun_host::directory::ensure_private_dir;
use v6tun_host::instance_lock::{InstanceLock, LockError};
use v6tun_host::network::Network;
use v6tun_host::privilege::require_net_admin;
use v6tun_host::signal::request_stop;

/// How long the running program may take to restore the host: hundreds of leases at some milliseconds each, on
/// a busy VPS.
const RESTORE_PATIENCE: Duration = Duration::from_secs(60);
/// How long a program that is starting or ending may hold the lock without listening.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// From when on a program that holds the lock and cannot be asked is one whose control socket is gone.
const DEAF_AFTER: Duration = Duration::from_secs(2);
/// How long an order may take: some looks at the host, a duplicate probe, and a slow disk.
const ORDER_PATIENCE: Duration = Duration::from_secs(30);
/// How often such a program is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// What the running program says of itself.
///
/// # Errors
/// With [`v6tun_cli::exit_code::NOT_RUNNING`] if nobody listens.
pub async fn status<S: Operated>(role: Role, global: &GlobalArgs) -> Result<S> {
    let folders = Folders::named(role, global);
    let asked: Option<Response<S, IgnoredAny>> =
        request(&folders.control_socket, &Request::<()>::Status).await.or_failed()?;
    match asked {
        Some(Response::Status(status)) => Ok(status),
        Some(Response::Failed(why)) => bail!("the {} does not tell: {why}", role.name),
        Some(Response::Ending) => bail!("the {} is ending", role.name),
        Some(_) => bail!("the {} answered something else", role.name),
        None => Err(Failure::not_running(format!("the {} is not running", role.name))
            .with_hint(format!("{} starts it", role.command("up")))
            .into()),
    }
}

/// Has an order carried out by the running program; or, where none runs, by `alone`, which has the state folder
/// to itself meanwhile.
///
/// # Errors
/// Why the order was refused, as whoever carried it out says; or that the program neither answers nor ends.
pub async fn order<S: Operated>(
    role: Role,
    global: &GlobalArgs,
    order: S::Order,
    alone: impl AsyncFnOnce(S::Order) -> Result<S::Answer>,
) -> Result<S::Answer> {
    let folders = Folders::named(role, global);
    // What listens in somebody else's folder would be believed.
    folders.refuse_foreign()?;
    let start = Instant::now();
    loop {
        let asked = request_within(&folders.control_socket, &Request::Order(&order), ORDER_PATIENCE).await;
        if let Err(ControlError::Request { source, .. }) = &asked
            && is_cut_off(source)
        {
            let what = format!("the {} ended before it answered: it may have done it or not", role.name);
            return Err(Failure::failed(what)
                .with_hint("look whether it is done before you order it again")
                .into());
        }
        match asked.or_failed()? {
            Some(Response::<IgnoredAny, S::Answer>::Answer(answer)) => return Ok(answer),
            Some(Response::Refused(failure)) => return Err(failure.into()),
            Some(Response::Failed(why)) => bail!("the {} could not do it: {why}", role.name),
            // One that is ending: what it leaves is done alone.
            Some(Response::Ending) | None => {}
            Some(_) => bail!("the {} answered something else", role.name),
        }
        ensure_private_dir(&global.state_dir).or_failed()?;
        match InstanceLock::acquire_within(&folders.state_lock, ASK_AGAIN).await {
            // One that is just starting listens soon.
            Err(LockError::Held { .. }) if start.elapsed() < LOCK_PATIENCE => {}
            outcome => {
                let _lock = outcome.or_failed()?;
                return alone(order).await;
            }
        }
    }
}

/// Stops the program that runs, or cleans up after one that was killed. Returns when the host is restored, also
/// where nothing ran. Needs no configuration: the journal says all.
///
/// # Errors
/// When the host could not be restored.
pub async fn down(role: Role, global: &GlobalArgs) -> Result<()> {
    require_net_admin().or_failed()?;
    let folders = Folders::named(role, global);
    // What listens in somebody else's folder would be believed.
    folders.refuse_foreign()?;
    ask_for_end(&folders).await?;
    let traces = [&folders.journal, &folders.state_lock, &folders.runtime_lock];
    if !traces.iter().any(|path| path.try_exists().unwrap_or(true)) {
        return Ok(());
    }
    let folders = Folders::ensure(role, global)?;
    let _locks = take_locks(&folders).await?;
    restore_leftovers(role, &Network::open()?, &folders.journal).await
}

/// Asks the running program to stop, and waits until it has. None: nothing happens.
async fn ask_for_end(folders: &Folders) -> Result<()> {
    let name = folders.role.name;
    match request_within(&folders.control_socket, &Request::<()>::Down, RESTORE_PATIENCE).await {
        // Of one that is ending already the lock tells when it has.
        Ok(Some(Response::<IgnoredAny, IgnoredAny>::Down | Response::Ending) | None) => Ok(()),
        Ok(Some(Response::Failed(why))) => bail!("the {name} could not restore {}: {why}", folders.role.host),
        Ok(Some(_)) => bail!("the {name} answered something else"),
        // It ended, or was killed, while it was asked: the lock and the journal tell what is left to do.
        Err(ControlError::Request { source, .. }) if is_cut_off(&source) => Ok(()),
        Err(error) => Err(error).or_failed(),
    }
}

fn is_cut_off(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// The locks say that nobody runs. A program that is just starting has them before it can be asked; one whose
/// control socket was removed cannot be asked at all, and is sent the signal that ends it.
async fn take_locks(folders: &Folders) -> Result<Locks> {
    let start = Instant::now();
    let mut is_signalled = false;
    loop {
        match Locks::acquire_within(folders, ASK_AGAIN).await {
            Err(LockError::Held { pid: Some(pid), .. }) if !is_signalled && start.elapsed() > DEAF_AFTER => {
                is_signalled = true;
                request_stop(pid).with_context(|| format!("cannot end process {pid}"))?;
            }
            Err(LockError::Held { .. }) if start.elapsed() < LOCK_PATIENCE => ask_for_end(folders).await?,
            outcome => return outcome.or_failed(),
        }
    }
}
