//! Key files where files have no permission bits: who may read them is checked where the
//! system's access lists are known.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

pub(super) fn sync_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn mode_open_to_others(_metadata: &Metadata) -> Option<u32> {
    None
}
