//! Whether the clock is right: the server takes no handshake that is older than the last one by the client's clock, and
//! invitations end by the server's.

use crate::unix_seconds_ago;
use std::time::Duration;
use v6tun_cli::doctor::Finding;

/// 2026-01-01, before which this program did not exist.
const EARLIEST: u64 = 1_767_225_600;

/// A failure where the clock cannot be right, a warning where nobody keeps it.
#[must_use]
pub fn check() -> Finding {
    if unix_seconds_ago(Duration::ZERO).is_none_or(|now| now < EARLIEST) {
        return Finding::fail("it is before 2026, by the clock of this machine")
            .expected("the time of day")
            .mend(KEEP);
    }
    kept()
}

#[cfg(not(windows))]
const KEEP: &str = "timedatectl set-ntp true";
#[cfg(windows)]
const KEEP: &str = "w32tm /resync";

#[cfg(target_os = "linux")]
fn kept() -> Finding {
    match v6tun_host::clock::clock_state() {
        Ok(state) if state.is_kept => Finding::pass("kept by a time service"),
        Ok(_) => Finding::warn("kept by nobody").expected("a time service").mend(KEEP),
        Err(error) => Finding::skip(format!("the kernel does not tell of its clock: {error}")),
    }
}

#[cfg(not(target_os = "linux"))]
fn kept() -> Finding {
    Finding::pass("it is past the beginning of 2026")
}
