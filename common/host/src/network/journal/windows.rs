//! The journal's file where permissions are access lists.
//!
//! What is open for appending alone cannot be cut on Windows. So it is open for writing, at the end of what is known
//! to be whole: it has one writer, who holds a lock.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use v6tun_files::windows_security::{FILE_OF_OWNER, create_new};

/// A new, empty file that its owner, SYSTEM and Administrators alone can read and write.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    create_new(path, FILE_OF_OWNER)
}

/// The file that is there, to be gone on with.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}
