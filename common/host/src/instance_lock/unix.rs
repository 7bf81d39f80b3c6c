//! The lock's file where permissions are modes.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Opens or makes it, without following a symbolic link.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
}

/// Locks the whole file, against others that do.
pub(super) fn try_lock(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}
