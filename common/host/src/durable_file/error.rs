//! Why a file was not replaced.

use crate::privilege;
use std::io;
use std::path::PathBuf;

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
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(format!(
                "`df -h {folder}` and `df -i {folder}` show how full the disk is; make room and try again"
            )),
            io::ErrorKind::ReadOnlyFilesystem => Some(format!(
                "`findmnt -T {folder}` shows the file system; the kernel's log says if it failed"
            )),
            io::ErrorKind::PermissionDenied => Some(privilege::RUN_ELEVATED.to_owned()),
            _ => None,
        }
    }
}
