//! `CAP_NET_ADMIN`.

use std::{fs, io};

/// What to do about a refusal, where no certain command is to be repeated.
pub(crate) const RUN_ELEVATED: &str = "run it as root, with sudo";

/// `CAP_NET_ADMIN` of `linux/capability.h`, as a bit of the sets in `/proc/PID/status`.
const CAP_NET_ADMIN: u64 = 1 << 12;

/// Checks that this process may make devices, addresses and routes, before it begins to.
///
/// # Errors
///
/// [`PrivilegeError::Missing`] without `CAP_NET_ADMIN`, which root has and others do not.
pub fn require_net_admin() -> Result<(), PrivilegeError> {
    let status = fs::read_to_string("/proc/self/status").map_err(PrivilegeError::Unknown)?;
    let effective = effective_capabilities(&status).ok_or_else(|| {
        PrivilegeError::Unknown(io::Error::new(io::ErrorKind::InvalidData, "no CapEff in /proc/self/status"))
    })?;
    if effective & CAP_NET_ADMIN == 0 { Err(PrivilegeError::Missing) } else { Ok(()) }
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Why the host's network cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// The process lacks the capability.
    #[error("cannot change the network: this needs root (CAP_NET_ADMIN)")]
    Missing,
    /// The kernel did not say.
    #[error("cannot tell this process's privileges: {0}")]
    Unknown(#[source] io::Error),
}

impl PrivilegeError {
    /// What to do about it: the command that was given, with sudo in front.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing => {
                let arguments: Vec<_> =
                    std::env::args_os().map(|one| one.to_string_lossy().into_owned()).collect();
                Some(format!("`sudo {}`", arguments.join(" ")))
            }
            Self::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_read_and_not_the_permitted_one() {
        let status = "Name:\tv6tun\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000001000\nCapBnd:\t0\n";
        assert_eq!(effective_capabilities(status), Some(CAP_NET_ADMIN));
        assert_eq!(effective_capabilities("Name:\tv6tun\n"), None);
    }

    #[test]
    fn the_hint_is_the_same_command_with_sudo() {
        assert!(PrivilegeError::Missing.hint().unwrap().starts_with("`sudo "));
    }
}
