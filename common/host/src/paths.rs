//! Where the programs keep their files, unless they are told otherwise.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{config_dir, runtime_dir, state_dir};
#[cfg(windows)]
pub use windows::{config_dir, log_dir, runtime_dir, state_dir};
