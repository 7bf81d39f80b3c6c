//! Whether the wall clock is right, as far as the kernel has been told.

#![expect(unsafe_code, reason = "adjtimex(2) has no safe wrapper")]

use std::io;

/// What the kernel knows of its wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockState {
    /// Whether a time service keeps it, by its own word (`STA_UNSYNC` of `linux/timex.h`).
    pub is_kept: bool,
}

/// Asks the kernel, and changes nothing.
///
/// # Errors
/// If it does not say, as in a container that may not ask.
pub fn clock_state() -> io::Result<ClockState> {
    // SAFETY: of plain numbers all zeros are a valid value; `modes` 0 asks alone.
    let mut request: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes no more than the structure, which lives until the call has returned.
    let state = unsafe { libc::adjtimex(&raw mut request) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(ClockState { is_kept: state != libc::TIME_ERROR })
}
