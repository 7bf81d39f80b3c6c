//! The signals that ask the program to undo what it did and end.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{StopSignal, StopSignals, request_stop};
#[cfg(windows)]
pub use windows::{StopSignal, StopSignals, request_own_stop, request_stop};
