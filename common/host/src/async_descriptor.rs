//! A descriptor that the runtime waits on.

#![expect(unsafe_code, reason = "tokio cannot know that a descriptor stays open")]

use std::{io, os::fd::OwnedFd};

use tokio::io::unix::AsyncFd;

/// Hands a descriptor that does not block to the runtime's poll.
///
/// # Errors
///
/// When the kernel cannot wait on it.
pub(crate) fn register(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` has one and the same open descriptor for as long as it lives.
    Ok(unsafe { AsyncFd::register(descriptor) }?)
}
