//! The state on the disk, twice: `server-state.toml` and `server-state.copy.toml`.
//!
//! ```text
//! save: write both beside the old ones and sync them  a full disk is found here: nothing has changed
//!       put the first in place, sync the folder       from here on it is seen after a crash …
//!       put the copy in place, sync the folder        … and only now it is acknowledged
//! ```
//!
//! What was acknowledged is so in both, and either may be damaged. Opening takes the one of the greater generation
//! and makes the other its equal. After a crash between the two steps that is the state which was being saved.
//!
//! A save that was refused has mostly changed nothing; one that fails between the two steps (`EIO`) leaves the first
//! newer than the copy, and after a crash it is opened, as if the crash had come before the refusal. That costs
//! nobody anything but what the refused operation asked for: it was made from the last acknowledged state. Nor can it
//! come back later: every attempt takes a new generation, and so the next save is above it, in the first file before
//! in the copy.

use super::State;
use super::check::Contradiction;
use super::file::{self, MAX_BYTES, Snapshot, Unusable};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use v6tun_host::durable_file::{self, Disk, DurableFileError, Prepared, RealDisk};
use zeroize::Zeroizing;

mod error;
mod found;

pub(crate) use error::StateError;
use found::{Found, Pair};

/// Permission bits of the files: they hold secrets.
const MODE: u32 = 0o600;
/// How many damaged files are kept for whoever wants to know: the last ones.
const KEPT_DAMAGED: u32 = 4;

/// Where the state is saved. Whoever has it holds the lock of the state folder.
#[derive(Debug)]
pub(crate) struct StateStore<D = RealDisk> {
    disk: D,
    folder: PathBuf,
    /// Of the last attempt to save.
    generation: u64,
}

impl StateStore {
    /// Opens what is in the state folder, repairs what is damaged there, and returns notes for the log.
    ///
    /// # Errors
    /// [`StateError::BothDamaged`], [`StateError::Newer`], [`StateError::Unreadable`]: then nothing is touched.
    pub(crate) fn open(folder: &Path) -> Result<(Self, State, Vec<String>), StateError> {
        Self::open_on(RealDisk, folder)
    }

    /// The state in the folder as [`open`](Self::open) would find it; nothing is written.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn peek(folder: &Path) -> Result<State, StateError> {
        let pair = Pair::read(&mut RealDisk, folder)?;
        Ok(pair.choose(folder)?.map(|chosen| chosen.snapshot.state).unwrap_or_default())
    }

    /// The two files in the state folder.
    pub(crate) fn files(folder: &Path) -> [PathBuf; 2] {
        [first_in(folder), copy_in(folder)]
    }

    /// Puts a state in the place of whatever is there, damaged or not.
    ///
    /// # Errors
    /// As [`save`](Self::save), and [`StateError::Newer`].
    pub(crate) fn restore(folder: &Path, state: &State) -> Result<Self, StateError> {
        Self::restore_on(RealDisk, folder, state)
    }
}

impl<D: Disk> StateStore<D> {
    /// [`open`](StateStore::open) on a certain disk.
    pub(crate) fn open_on(mut disk: D, folder: &Path) -> Result<(Self, State, Vec<String>), StateError> {
        let pair = Pair::read(&mut disk, folder)?;
        let Some(chosen) = pair.choose(folder)? else {
            let store = Self { disk, folder: folder.to_owned(), generation: 0 };
            return Ok((store, State::default(), Vec::new()));
        };
        // A crash may have left names that are seen and not durable yet. What is told from here on must be.
        durable_file::sync_folder_on(&mut disk, folder).map_err(StateError::Unreadable)?;
        let Snapshot { state, generation } = chosen.snapshot;
        let mut store = Self { disk, folder: folder.to_owned(), generation };
        let notes = chosen.repair.map(|(path, why)| store.repair(&path, &why, &state));
        Ok((store, state, notes.into_iter().collect()))
    }

    /// [`restore`](StateStore::restore) on a certain disk.
    pub(crate) fn restore_on(mut disk: D, folder: &Path, state: &State) -> Result<Self, StateError> {
        let pair = Pair::read(&mut disk, folder)?;
        let generation = pair.refuse_newer(folder)?.greatest_generation();
        let damaged = pair.damaged(folder);
        let mut store = Self { disk, folder: folder.to_owned(), generation };
        store.write(state, &damaged)?;
        Ok(store)
    }

    /// Returns when the state survives a power cut, and the damage of either file as well.
    ///
    /// # Errors
    /// [`StateError::NotSaved`], [`StateError::Uncertain`], [`StateError::Contradiction`],
    /// [`StateError::TooLarge`]. Then what was saved last still holds, and the next save may succeed.
    pub(crate) fn save(&mut self, state: &State) -> Result<(), StateError> {
        self.write(state, &[])
    }

    /// Saves, and keeps those aside that are damaged: each just before it is replaced, so that the two are never
    /// missing at once, which would be the empty state.
    fn write(&mut self, state: &State, damaged: &[PathBuf]) -> Result<(), StateError> {
        state.check()?;
        self.generation = self.generation.saturating_add(1);
        let text = encode(state, self.generation)?;
        let (first, copy) = self.prepare(text.as_bytes()).map_err(StateError::NotSaved)?;
        if let Err(error) = self.put_in_place(first, damaged) {
            copy.discard(&mut self.disk);
            return Err(StateError::Uncertain(error));
        }
        self.put_in_place(copy, damaged).map_err(StateError::Uncertain)
    }

    fn put_in_place(&mut self, prepared: Prepared, damaged: &[PathBuf]) -> Result<(), DurableFileError> {
        if damaged.iter().any(|path| path == prepared.path())
            && let Err(error) = self.keep_aside(prepared.path())
        {
            prepared.discard(&mut self.disk);
            return Err(error);
        }
        prepared.commit(&mut self.disk)
    }

    /// All that needs room on the disk.
    fn prepare(&mut self, bytes: &[u8]) -> Result<(Prepared, Prepared), DurableFileError> {
        let first = Prepared::write(&mut self.disk, &first_in(&self.folder), bytes, MODE)?;
        match Prepared::write(&mut self.disk, &copy_in(&self.folder), bytes, MODE) {
            Ok(copy) => Ok((first, copy)),
            Err(error) => {
                first.discard(&mut self.disk);
                Err(error)
            }
        }
    }

    /// Makes one file the other's equal, and says what happened. Where that fails the state is used nevertheless:
    /// what is asked for next will not be acknowledged before both files hold it.
    fn repair(&mut self, path: &Path, why: &Found, state: &State) -> String {
        let what = match why {
            Found::Good(_) => format!("the last save of {} did not get to its end", path.display()),
            Found::Missing => format!("{} was missing", path.display()),
            Found::Damaged(damage) => format!("{} was damaged ({damage})", path.display()),
        };
        let other = if *path == first_in(&self.folder) { "the copy" } else { "the original" };
        match self.replace(path, why, state) {
            Ok(None) => format!("{what}; it is made anew from {other}, and nothing is lost"),
            Ok(Some(aside)) => format!(
                "{what}; it is kept as {} and made anew from {other}, and nothing that was acknowledged is lost",
                aside.display()
            ),
            Err(error) => format!("{what}; {other} is used, but it cannot be made anew: {error}"),
        }
    }

    fn replace(&mut self, path: &Path, why: &Found, state: &State) -> Result<Option<PathBuf>, StateError> {
        let text = encode(state, self.generation)?;
        let aside = match why {
            Found::Damaged(_) => Some(self.keep_aside(path).map_err(StateError::NotSaved)?),
            Found::Missing | Found::Good(_) => None,
        };
        durable_file::replace_on(&mut self.disk, path, text.as_bytes(), MODE)
            .map_err(StateError::NotSaved)?;
        Ok(aside)
    }

    /// Gives a damaged file another name, under which the last few are kept.
    fn keep_aside(&mut self, path: &Path) -> Result<PathBuf, DurableFileError> {
        let kept = |number: u32| self.folder.join(format!("server-state.damaged-{number}.toml"));
        let newest = kept(1);
        let mut moves: Vec<(PathBuf, PathBuf)> =
            (1..KEPT_DAMAGED).rev().map(|number| (kept(number), kept(number + 1))).collect();
        moves.push((path.to_owned(), newest.clone()));
        for (from, to) in moves {
            match durable_file::rename_on(&mut self.disk, &from, &to) {
                Err(error) if error.source.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(newest)
    }
}

fn encode(state: &State, generation: u64) -> Result<Zeroizing<String>, StateError> {
    let text = file::encode(state, generation).map_err(|error| StateError::Unwritable(error.to_string()))?;
    if text.len() as u64 > MAX_BYTES { Err(StateError::TooLarge) } else { Ok(text) }
}

/// Written first.
pub(super) fn first_in(folder: &Path) -> PathBuf {
    folder.join("server-state.toml")
}

/// Written second.
pub(super) fn copy_in(folder: &Path) -> PathBuf {
    folder.join("server-state.copy.toml")
}

#[cfg(test)]
mod tests;
