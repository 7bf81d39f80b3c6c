//! What a user types in PowerShell.

/// How a key file is made.
pub(super) const MAKE_KEY: &str = "`v6tun genkey > FILE` makes one, in a folder that is closed to others";
