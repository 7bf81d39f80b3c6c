//! The frame of `up`: locks, signals, what a killed run left, and the host given back at the end.

use crate::{
    Folders, GlobalArgs, Locks, Operated, Operator, OrFail, Role, open_journal, restore, restore_leftovers,
};
use anyhow::Result;
use std::time::Duration;
use tracing::error;
use v6tun_host::network::{Journal, Network};
use v6tun_host::tun::Tun;

/// What keeps an idle tunnel open through NATs: WireGuard's customary answer to the many that forget a flow
/// sooner than the two minutes of RFC 4787, section 4.3.
pub const KEEPALIVE: Duration = Duration::from_secs(25);

/// How long another program may hold a lock before it counts as running.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// What a program works with while the host is its own to change.
pub struct Host<'a, S: Operated> {
    /// The kernel's network.
    pub network: &'a Network,
    /// Where each change is written down before it is made.
    pub journal: &'a mut Journal,
    /// Who stops the program or asks it.
    pub operator: &'a mut Operator<S>,
    /// Takes the tun at the end, to keep it until what stands on it has been taken away by name.
    pub tun: &'a mut Option<Tun>,
}

/// Runs `program` as the one that holds both folders, restores the host however it ends, and only then answers a
/// `down` that waits.
///
/// # Errors
/// Why the program failed; else why the host could not be restored.
pub async fn up<S, P>(role: Role, global: &GlobalArgs, program: P) -> Result<()>
where
    S: Operated,
    P: AsyncFnOnce(Host<'_, S>) -> Result<()>,
{
    let folders = Folders::ensure(role, global)?;
    // An order that is carried out on the files has one of them for some milliseconds.
    let locks = Locks::acquire_within(&folders, LOCK_PATIENCE).await.or_failed()?;
    let network = Network::open()?;
    let mut operator = Operator::listen(&folders, &locks)?;
    restore_leftovers(role, &network, &folders.journal).await?;

    let mut journal = open_journal(&folders.journal)?;
    let mut tun = None;
    let host = Host { network: &network, journal: &mut journal, operator: &mut operator, tun: &mut tun };
    let ran = program(host).await;
    let restored = restore(role, &network, journal).await;
    drop(tun);
    operator.answer(&restored).await;
    match (ran, restored) {
        (Ok(()), restored) => restored,
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(unrestored)) => {
            error!("{unrestored:#}");
            Err(failure)
        }
    }
}
