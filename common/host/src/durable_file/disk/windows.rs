//! Files where permissions are access lists: a new one has those of its folder.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

pub(super) fn create(path: &Path, _mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// NTFS writes names to its own journal, in order; a folder has nothing to be synced.
pub(super) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
