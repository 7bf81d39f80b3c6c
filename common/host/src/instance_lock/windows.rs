//! The lock's file where a lock keeps others from reading what is locked.

#![expect(unsafe_code, reason = "std locks whole files only")]

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::windows::{
        fs::{MetadataExt, OpenOptionsExt},
        io::AsRawHandle,
    },
    path::Path,
};

use windows_sys::Win32::{
    Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION},
    Storage::FileSystem::{
        FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_OPEN_REPARSE_POINT, LOCKFILE_EXCLUSIVE_LOCK,
        LOCKFILE_FAIL_IMMEDIATELY, LockFileEx,
    },
    System::IO::OVERLAPPED,
};

/// Where the one byte lies that is locked, in units of 4 GiB: beyond all that the file holds.
const LOCKED_OFFSET_HIGH: u32 = 1;

/// Opens or makes it, without following a link. It has the access list of its folder.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    if file.metadata()?.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is a link"));
    }
    Ok(file)
}

/// Locks a byte that is not there, so that others can read the content.
pub(super) fn try_lock(file: &File) -> Result<(), TryLockError> {
    let flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    let mut place = OVERLAPPED::default();
    place.Anonymous.Anonymous.OffsetHigh = LOCKED_OFFSET_HIGH;
    // SAFETY: the file is open for synchronous use, so that the place is not used after the call.
    let done = unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &mut place) };
    if done != 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    let is_held = [ERROR_LOCK_VIOLATION, ERROR_IO_PENDING]
        .iter()
        .any(|code| error.raw_os_error() == Some(code.cast_signed()));
    Err(if is_held { TryLockError::WouldBlock } else { TryLockError::Error(error) })
}
