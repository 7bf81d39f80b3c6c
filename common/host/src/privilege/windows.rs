//! An elevated administrator, or SYSTEM.

use std::io;

use v6tun_files::windows_security::is_administrator;

/// What to do about a refusal, where no certain command is to be repeated.
pub(crate) const RUN_ELEVATED: &str =
    "run it as administrator: right-click Terminal in the Start menu, \"Run as administrator\"";

/// Checks that this process may make adapters, addresses and routes, before it begins to. An administrator's process
/// that is not elevated is no member of Administrators.
///
/// # Errors
///
/// [`PrivilegeError::Missing`] unless the process runs as administrator.
pub fn require_net_admin() -> Result<(), PrivilegeError> {
    if is_administrator().map_err(PrivilegeError::Unknown)? { Ok(()) } else { Err(PrivilegeError::Missing) }
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
        match self {
            Self::Missing => Some(RUN_ELEVATED.to_owned()),
            Self::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_may_is_told_and_a_refusal_says_how_to_be_an_administrator() {
        assert!(matches!(require_net_admin(), Ok(()) | Err(PrivilegeError::Missing)));
        assert!(PrivilegeError::Missing.hint().unwrap().contains("Run as administrator"));
    }
}
