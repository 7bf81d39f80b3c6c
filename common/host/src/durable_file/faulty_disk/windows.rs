//! Windows' numbers of errors.

/// `ERROR_DISK_FULL`.
pub(super) const NO_SPACE: i32 = 112;
/// `ERROR_IO_DEVICE`.
pub(super) const IO: i32 = 1117;
