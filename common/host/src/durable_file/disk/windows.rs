//! Files where permissions are access lists.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::windows::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::Duration,
};

use v6tun_files::windows_security::{FILE_OF_OWNER, create_new};
use windows_sys::Win32::{
    Foundation::{ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION},
    Storage::FileSystem::FILE_FLAG_BACKUP_SEMANTICS,
};

/// How often a file is renamed anew that somebody holds, and after what time: virus scanners and indexes look at
/// each new file, mostly for some milliseconds. The sum is short enough for whoever waits for a refusal.
const RENAME_ATTEMPTS: u32 = 10;
const RENAME_REST: Duration = Duration::from_millis(20);

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

/// Also over a file that others have open, if they let it be deleted, as most do.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 1..RENAME_ATTEMPTS {
        match fs::rename(from, to) {
            Err(error) if is_held(&error) => thread::sleep(RENAME_REST),
            outcome => return outcome,
        }
    }
    fs::rename(from, to)
}

fn is_held(error: &io::Error) -> bool {
    [ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION]
        .iter()
        .any(|code| error.raw_os_error() == Some(code.cast_signed()))
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
