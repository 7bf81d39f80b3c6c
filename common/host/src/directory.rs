//! The directories that the program keeps its state and its sockets in: ours, and closed to other writers.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{DirectoryError, ensure_private_dir, ensure_runtime_dir};
#[cfg(windows)]
pub use windows::{DirectoryError, ensure_private_dir, ensure_runtime_dir};
