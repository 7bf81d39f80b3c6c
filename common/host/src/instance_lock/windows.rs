//! The lock's file where permissions are access lists: it has those of its folder.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Opens or makes it.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}
