//! The frame of `up`: locks, signals, what another run left, and the host given back at the end.

use crate::{
    Folders, GlobalArgs, Locks, Operated, Operator, OrFail, Role, begin_journal, restore, restore_leftovers,
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
    /// Where each change is written down before it is made. It holds what the program before has done where that has
    /// [left its tun](Journal::left_tun): then it is to be gone on with, or undone.
    pub journal: &'a mut Journal,
    /// Who stops the program or asks it.
    pub operator: &'a mut Operator<S>,
    /// Takes the tun at the end, to keep it until what stands on it has been taken away by name.
    pub tun: &'a mut Option<Tun>,
    /// Set where the program has left the host to the next one: then it stays as it is.
    pub is_left: &'a mut bool,
}

/// Runs `program` as the one that holds both folders, restores the host however it ends, unless it has left it to the next
/// one, and only then answers a `down` that waits.
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
    let mut journal = begin_journal(role, &network, &folders.journal).await?;
    let (mut tun, mut is_left) = (None, false);
    let host = Host {
        network: &network,
        journal: &mut journal,
        operator: &mut operator,
        tun: &mut tun,
        is_left: &mut is_left,
    };
    let ran = program(host).await;
    if is_left && ran.is_ok() {
        drop(tun);
        operator.answer(None).await;
        return Ok(());
    }
    let restored = restore(role, &network, journal).await;
    drop(tun);
    operator.answer(Some(&restored)).await;
    match (ran, restored) {
        (Ok(()), restored) => restored,
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(unrestored)) => {
            error!("{unrestored:#}");
            Err(failure)
        }
    }
}

/// Gives the host back where a program has left it to a next one that cannot begin, and returns why it cannot. Of a host
/// that somebody has in hand already nothing is touched.
pub async fn decline(role: Role, global: &GlobalArgs, why: anyhow::Error) -> anyhow::Error {
    let folders = Folders::named(role, global);
    if !folders.journal.exists() {
        return why;
    }
    let Ok(_locks) = Locks::acquire_within(&folders, Duration::ZERO).await else { return why };
    let restored = async { restore_leftovers(role, &Network::open()?, &folders.journal).await };
    if let Err(unrestored) = restored.await {
        error!("{unrestored:#}");
    }
    why
}
