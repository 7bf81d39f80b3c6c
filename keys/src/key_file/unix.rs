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

/// What the permission bits leave to anybody but the owner.
pub(super) fn opening_to_others(_file: &File, metadata: &Metadata) -> io::Result<Option<String>> {
    let mode = metadata.mode() & PERMISSION_BITS;
    Ok((mode & OTHERS != 0).then(|| format!("its mode {mode:04o} lets others at it")))
}

/// The command that makes such a file, with this subcommand of `v6tun`.
pub(super) fn making(subcommand: &str, path: &Path) -> String {
    format!("(umask 077; v6tun {subcommand} > {})", shell_word(path))
}

/// The command that takes a file from all others.
pub(super) fn closing(path: &Path) -> String {
    format!("chmod 600 {}", shell_word(path))
}

/// `path` as one word of a POSIX shell's command line.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if text.chars().all(is_plain) && !text.is_empty() && !text.starts_with('-') {
        return text.into_owned();
    }
    let prefix = if text.starts_with('-') { "./" } else { "" };
    format!("'{prefix}{}'", text.replace('\'', r"'\''"))
}
