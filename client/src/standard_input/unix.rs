//! As a descriptor.

use std::{fs::File, io, os::fd::AsFd};

/// A second descriptor of it.
pub(crate) fn standard_input() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}
