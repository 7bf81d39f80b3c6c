//! v6tun's own rules in the PC's firewall.

use std::io;

use crate::network::FirewallRule;

/// All of v6tun's rules, whichever interface they are for.
pub(super) fn rules() -> io::Result<Vec<FirewallRule>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Adds a rule, if it is not there.
pub(super) fn add(_rule: &FirewallRule) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Deletes a rule; one that is not there is `NotFound`.
pub(super) fn delete(_rule: &FirewallRule) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
