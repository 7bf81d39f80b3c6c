//! Files where permissions are access lists.

use std::{
    fs::{File, OpenOptions},
    io,
    os::windows::fs::OpenOptionsExt,
    path::Path,
};

use v6tun_files::windows_security::{FILE_OF_OWNER, create_new};
use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_BACKUP_SEMANTICS;

/// What a mode gives to others.
const OTHERS: u32 = 0o077;

/// One whose mode gives nothing to others is its owner's, SYSTEM's and Administrators' alone; any other has the
/// access list of its folder.
pub(super) fn create(path: &Path, mode: u32) -> io::Result<File> {
    if mode & OTHERS == 0 {
        return create_new(path, FILE_OF_OWNER);
    }
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// A folder is opened as well, so that it is refused as what it is.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

/// NTFS writes names to its own journal, in order: a new name cannot be lost alone, and the old one is then that of
/// a whole file. That journal is written out where Windows lets a folder be synced; it need not.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    let opened = OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(folder);
    if let Err(error) = opened.and_then(|folder| folder.sync_all()) {
        tracing::debug!(%error, folder = %folder.display(), "the folder is not synced");
    }
    Ok(())
}
