//! Why a file was not replaced.

use crate::privilege;
use std::io;
use std::path::PathBuf;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

/// A file operation that failed, with its subject and the kernel's own error.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct DurableFileError {
    /// `create`, `write`, `sync`, `rename`, `remove` or `read`.
    pub operation: &'static str,
    /// The file; the folder where that was to be synced.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

impl DurableFileError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let folder = self.path.parent().unwrap_or(&self.path).display();
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(platform::full_hint(folder)),
            io::ErrorKind::ReadOnlyFilesystem => Some(platform::read_only_hint(folder)),
            io::ErrorKind::PermissionDenied => Some(privilege::RUN_ELEVATED.to_owned()),
            _ => None,
        }
    }
}
