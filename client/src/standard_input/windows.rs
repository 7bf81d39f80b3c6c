//! As a handle.

use std::{fs::File, io, os::windows::io::AsHandle};

/// A second handle of it.
pub(crate) fn standard_input() -> io::Result<File> {
    Ok(File::from(io::stdin().as_handle().try_clone_to_owned()?))
}
