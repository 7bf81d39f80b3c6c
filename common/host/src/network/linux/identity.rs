//! Which boot, which network namespace, and how long ago the boot was.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::time::{ClockId, clock_gettime};

use crate::network::Identity;

impl Identity {
    /// The boot and the network namespace that this thread runs in.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn current() -> io::Result<Self> {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let network_namespace = fs::metadata("/proc/thread-self/ns/net")?.ino();
        Ok(Self { boot_id, network_namespace })
    }
}

/// Seconds since boot, sleep included: the clock that address lifetimes run by.
pub(super) fn boot_seconds() -> u64 {
    u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).unwrap_or(0)
}
