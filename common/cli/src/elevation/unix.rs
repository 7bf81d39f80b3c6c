//! Root, by sudo.

pub(super) const PREFIX: &str = "sudo ";
pub(super) const RUN_ELEVATED: &str = "run it as root, with sudo";
