//! Key files where files have an owner and permission bits.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// What group and others may do.
const OTHERS: u32 = 0o077;
/// The bits that `chmod` sets.
const PERMISSION_BITS: u32 = 0o7777;

/// Opens for reading. Does not wait for the other end of a pipe, nor take a terminal as its own.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes the file's name as durable as its content.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}

/// The permission bits, if they leave anything to anybody but the owner.
pub(super) fn mode_open_to_others(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.mode() & PERMISSION_BITS;
    (mode & OTHERS != 0).then_some(mode)
}
