//! The standard streams, without the buffers of `std`: those would keep a copy of each key.

use std::io::{self, Write as _};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{EXAMPLE, WORLD_ACCESSIBLE, input, is_output_world_accessible, output};
#[cfg(windows)]
pub(crate) use windows::{EXAMPLE, WORLD_ACCESSIBLE, input, is_output_world_accessible, output};

/// Writes to standard error. Where that fails nobody is left to be told.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
