//! Linux's numbers of errors.

/// `ENOSPC`.
pub(super) const NO_SPACE: i32 = 28;
/// `EIO`.
pub(super) const IO: i32 = 5;
