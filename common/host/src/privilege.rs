//! Whether this process may change the host's network.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::RUN_ELEVATED;
#[cfg(unix)]
pub use unix::{PrivilegeError, require_net_admin};
#[cfg(windows)]
pub(crate) use windows::RUN_ELEVATED;
#[cfg(windows)]
pub use windows::{PrivilegeError, require_net_admin};
