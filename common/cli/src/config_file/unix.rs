//! What a user types in a POSIX shell.

/// How a key file is made.
pub(super) const MAKE_KEY: &str = "`umask 077; v6tun genkey > FILE` makes one";
