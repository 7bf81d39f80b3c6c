//! The folders of the Filesystem Hierarchy Standard.

use std::path::PathBuf;

/// Of the configuration and the keys.
#[must_use]
pub fn config_dir() -> PathBuf {
    PathBuf::from("/etc/v6tun")
}

/// Of what must outlive the process.
#[must_use]
pub fn state_dir() -> PathBuf {
    PathBuf::from("/var/lib/v6tun")
}

/// Of the lock and the control socket.
#[must_use]
pub fn runtime_dir() -> PathBuf {
    PathBuf::from("/run/v6tun")
}
