//! The journal's file where permissions are access lists: it has those of its folder.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// A new, empty file.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).open(path)
}
