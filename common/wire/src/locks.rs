//! One running program for each state folder and each runtime folder.

use crate::Folders;
use std::time::Duration;
use v6tun_host::instance_lock::{InstanceLock, LockError};

/// Both folders' locks. The kernel gives them up when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Locks {
    _state: InstanceLock,
    /// Proves that a control socket found in the runtime folder is left over.
    pub(crate) runtime: InstanceLock,
}

impl Locks {
    /// Takes both as soon as their holders have given them up.
    ///
    /// # Errors
    /// [`LockError::Held`] if that takes longer than `patience` for one of them.
    pub(crate) async fn acquire_within(folders: &Folders, patience: Duration) -> Result<Self, LockError> {
        let state = InstanceLock::acquire_within(&folders.state_lock, patience).await?;
        let runtime = InstanceLock::acquire_within(&folders.runtime_lock, patience).await?;
        Ok(Self { _state: state, runtime })
    }
}
