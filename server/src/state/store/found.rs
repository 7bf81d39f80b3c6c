//! What is found of the two files, and which of them holds.

use super::{DurableFileError, MAX_BYTES, Snapshot, StateError, Unusable, copy_in, first_in};
use crate::state::file;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use v6tun_host::durable_file::{self, Disk};
use zeroize::Zeroizing;

/// `EIO`: the disk has lost what stood there.
const LOST: i32 = 5;

/// What is in a file's place.
#[derive(Debug)]
pub(super) enum Found {
    Missing,
    /// What is wrong.
    Damaged(Unusable),
    Good(Snapshot),
}

/// What is in both places.
#[derive(Debug)]
pub(super) struct Pair {
    first: Found,
    copy: Found,
}

/// What holds.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) snapshot: Snapshot,
    /// The file that does not say the same, and what is in its place.
    pub(super) repair: Option<(PathBuf, Found)>,
}

impl Pair {
    pub(super) fn read<D: Disk>(disk: &mut D, folder: &Path) -> Result<Self, StateError> {
        Ok(Self { first: Found::read(disk, &first_in(folder))?, copy: Found::read(disk, &copy_in(folder))? })
    }

    /// The one that holds; `None` where there is neither.
    pub(super) fn choose(self, folder: &Path) -> Result<Option<Chosen>, StateError> {
        self.refuse_newer(folder)?;
        let (first, copy) = (first_in(folder), copy_in(folder));
        let (snapshot, path, other) = match (self.first, self.copy) {
            (Found::Missing, Found::Missing) => return Ok(None),
            (Found::Good(snapshot), Found::Good(other)) if snapshot.generation < other.generation => {
                (other, first, Found::Good(snapshot))
            }
            (Found::Good(snapshot), other) => (snapshot, copy, other),
            (other, Found::Good(snapshot)) => (snapshot, first, other),
            (found_first, found_copy) => {
                let (first_damage, copy_damage) = (found_first.damage(), found_copy.damage());
                return Err(StateError::BothDamaged { first, first_damage, copy, copy_damage });
            }
        };
        let is_equal = matches!(&other, Found::Good(other) if *other == snapshot);
        Ok(Some(Chosen { snapshot, repair: (!is_equal).then_some((path, other)) }))
    }

    pub(super) fn refuse_newer(&self, folder: &Path) -> Result<&Self, StateError> {
        for (found, path) in [(&self.first, first_in(folder)), (&self.copy, copy_in(folder))] {
            if let Found::Damaged(Unusable::Newer { version }) = found {
                return Err(StateError::Newer { path, version: *version });
            }
        }
        Ok(self)
    }

    /// Zero where neither says.
    pub(super) fn greatest_generation(&self) -> u64 {
        let generations = [&self.first, &self.copy].map(|found| match found {
            Found::Good(snapshot) => snapshot.generation,
            Found::Missing | Found::Damaged(_) => 0,
        });
        generations.into_iter().max().unwrap_or(0)
    }

    pub(super) fn damaged(&self, folder: &Path) -> Vec<PathBuf> {
        let both = [(&self.first, first_in(folder)), (&self.copy, copy_in(folder))];
        both.into_iter()
            .filter(|(found, _)| matches!(found, Found::Damaged(_)))
            .map(|(_, path)| path)
            .collect()
    }
}

impl Found {
    fn read<D: Disk>(disk: &mut D, path: &Path) -> Result<Self, StateError> {
        match durable_file::read_on(disk, path, MAX_BYTES) {
            Ok(None) => Ok(Self::Missing),
            Ok(Some(bytes)) => {
                Ok(file::decode(&Zeroizing::new(bytes)).map_or_else(Self::Damaged, Self::Good))
            }
            Err(error) if is_damage(&error) => Ok(Self::Damaged(Unusable::Damaged(error.source.to_string()))),
            Err(error) => Err(StateError::Unreadable(error)),
        }
    }

    fn damage(&self) -> String {
        match self {
            Self::Missing => "it is missing".to_owned(),
            Self::Damaged(damage) => damage.to_string(),
            Self::Good(snapshot) => format!("it is of generation {}", snapshot.generation),
        }
    }
}

/// Whether the file itself is at fault, and not who asks or when.
fn is_damage(error: &DurableFileError) -> bool {
    let kind = error.source.kind();
    matches!(kind, ErrorKind::FileTooLarge | ErrorKind::InvalidData)
        || error.source.raw_os_error() == Some(LOST)
}
