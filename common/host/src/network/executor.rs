//! Carrying changes out: logged as the command, written down, done.

use std::net::Ipv6Addr;

use thiserror::Error;

use super::undo::{strike_out, undo_some};
use super::{Change, Journal, JournalError, Network, NetworkError, Observed, Phase, StandIns};

/// How often an undoing looks again when the host changed under its hands.
const RESTORE_ROUNDS: usize = 4;

/// Why a change was not made. Those before it in the list have been made.
#[derive(Debug, Error)]
pub enum ExecuteError {
    /// It could not be written down, and was therefore not tried.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The kernel refused it.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Makes the changes in order and stops at the first that fails. Each is logged at INFO as the command that
/// it equals and journalled before it is made. A change that finds its work done already counts as made; an
/// announcement that fails is a warning.
///
/// # Errors
/// If a change cannot be journalled or made.
pub async fn carry_out(
    network: &Network,
    journal: &mut Journal,
    changes: Vec<Change>,
) -> Result<(), ExecuteError> {
    if !changes.is_empty() {
        journal.know_links(&network.links().await?);
    }
    for change in changes {
        if !matches!(change, Change::Announce { .. }) {
            journal.record(network.boot_seconds(), Phase::Do, &change)?;
        }
        make(network, &change).await?;
    }
    Ok(())
}

/// Why the host is not wholly restored. The journal is kept: the next attempt does the rest.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The journal could not be removed, or a line of it not read: all others have been undone.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The state could not be read.
    #[error(transparent)]
    Observe(#[from] NetworkError),
    /// Some changes were refused; all others were made.
    #[error("{} not undone: {}", count(.0.len()), join(.0))]
    Refused(Vec<NetworkError>),
    /// Somebody else keeps changing what is given back.
    #[error("the host's network keeps changing while it is restored")]
    Unsettled,
}

/// Gives the host back as the journal says and removes the journal. Returns what is not as it was, and why,
/// for the log. With an empty journal nothing is touched.
///
/// # Errors
/// If the state cannot be read, the journal not written, or a change is refused; the others are made all the
/// same, and the journal stays for another attempt. A journal that cannot grow keeps nothing from being undone.
pub async fn restore(network: &Network, mut journal: Journal) -> Result<Vec<String>, RestoreError> {
    if journal.is_empty() {
        journal.remove()?;
        return Ok(Vec::new());
    }
    let (notes, _) = give_back(network, &mut journal, &|_| true).await?;
    journal.remove()?;
    Ok(notes)
}

/// Takes back the changes that `is_of` names and leaves the others in force: so one lease ends while the others go
/// on. `is_of` should go by [`Change::concerns`], as names of links may have changed.
///
/// The journal stays, without what has been taken back, and a later [`restore`] ends at the host as it was found.
/// Returns what is not as it was, and why, for the log. Where nothing is named, nothing is touched.
///
/// # Errors
/// If the state cannot be read or a change is refused; the others are made all the same, and a second call does
/// the rest. That the journal cannot be shortened is a warning only.
pub async fn release(
    network: &Network,
    journal: &mut Journal,
    is_of: impl Fn(&Change) -> bool,
) -> Result<Vec<String>, RestoreError> {
    if !journal.entries().iter().any(|entry| is_of(&entry.change)) {
        return Ok(Vec::new());
    }
    let (notes, observed) = give_back(network, journal, &is_of).await?;
    let rest = strike_out(journal.entries(), &observed, &is_of);
    if let Err(error) = journal.replace(rest) {
        tracing::warn!("{error}; it keeps what has been undone already");
    }
    Ok(notes)
}

/// Undoes what `is_of` names and waits until the kernel has done its part. Returns the notes, and the host as it then
/// is.
async fn give_back(
    network: &Network,
    journal: &mut Journal,
    is_of: &impl Fn(&Change) -> bool,
) -> Result<(Vec<String>, Observed), RestoreError> {
    let mut returning = Returning::default();
    let given_back = undo_all(network, journal, is_of, &mut returning).await;
    // Also where a change was refused: what stands in must not stay.
    let settled = network.settle(&returning.addresses).await;
    let (notes, observed) = given_back?;
    settled?;
    Ok((notes, observed))
}

/// The addresses that an undoing puts back, or raises.
#[derive(Default)]
struct Returning {
    addresses: Vec<Ipv6Addr>,
    stand_ins: Vec<StandIns>,
}

impl Returning {
    async fn await_those_of(&mut self, network: &Network, changes: &[Change]) {
        self.addresses.extend(changes.iter().filter_map(Change::puts_in_front).map(|(_, address)| address));
        match network.stand_in(changes).await {
            Ok(stand_ins) => self.stand_ins.push(stand_ins),
            Err(error) => {
                tracing::debug!("what comes for the addresses on their way back may be lost: {error}")
            }
        }
    }
}

/// Undoes what `is_of` names until nothing is left to do. Returns the notes, and the host as it then is.
async fn undo_all(
    network: &Network,
    journal: &mut Journal,
    is_of: &impl Fn(&Change) -> bool,
    returning: &mut Returning,
) -> Result<(Vec<String>, Observed), RestoreError> {
    let (mut notes, mut unrecorded) = (Vec::new(), false);
    for _ in 0..RESTORE_ROUNDS {
        let observed = network.observe_for_undo(journal.entries()).await?;
        let undo = undo_some(journal.entries(), &observed, is_of);
        journal.know_links(&observed.links);
        notes.extend(undo.notes);
        if undo.changes.is_empty() {
            notes.sort();
            notes.dedup();
            return Ok((notes, observed));
        }
        returning.await_those_of(network, &undo.changes).await;
        let wanted = undo.changes.len();
        let refused = take_back(network, journal, undo.changes, &mut unrecorded).await;
        if refused.len() == wanted {
            return Err(RestoreError::Refused(refused));
        }
    }
    Err(RestoreError::Unsettled)
}

/// Makes all the changes that can be made, and returns the errors of the others.
async fn take_back(
    network: &Network,
    journal: &mut Journal,
    changes: Vec<Change>,
    unrecorded: &mut bool,
) -> Vec<NetworkError> {
    let mut refused = Vec::new();
    for change in changes {
        if must_be_recognized(&change) {
            note_down(network.boot_seconds(), journal, &change, unrecorded);
        }
        if let Err(error) = make(network, &change).await {
            tracing::warn!("{error}");
            refused.push(error);
        }
    }
    refused
}

/// Records a change of the undoing. A disk that is full must not keep the host from being given back: the change
/// is then held in memory, and only a kill between here and the end would not be recognized.
fn note_down(at: u64, journal: &mut Journal, change: &Change, unrecorded: &mut bool) {
    let Err(error) = journal.record(at, Phase::Undo, change) else { return };
    if !std::mem::replace(unrecorded, true) {
        tracing::warn!("{error}; the host is restored all the same");
    }
    journal.remember(at, Phase::Undo, change);
}

/// Whether an undoing that stops at this change could not tell from the host's state alone that it began.
fn must_be_recognized(change: &Change) -> bool {
    matches!(change, Change::RaiseAddress { .. } | Change::SetAllForwarding { .. })
}

async fn make(network: &Network, change: &Change) -> Result<(), NetworkError> {
    tracing::info!("{change}");
    match network.apply(change).await {
        Err(error) if matches!(change, Change::Announce { .. }) => {
            tracing::warn!("{error}");
            Ok(())
        }
        result => result,
    }
}

fn count(number: usize) -> String {
    if number == 1 { "1 change".into() } else { format!("{number} changes") }
}

fn join(errors: &[NetworkError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
