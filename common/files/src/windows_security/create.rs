//! Files and folders that have their access list from their first moment on.

#![expect(unsafe_code, reason = "std makes nothing with an access list")]

use std::{
    fs::File,
    io,
    os::windows::io::{FromRawHandle, OwnedHandle},
    path::Path,
    ptr,
};

use windows_sys::Win32::{
    Foundation::INVALID_HANDLE_VALUE,
    Storage::FileSystem::{
        CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_GENERIC_READ,
        FILE_GENERIC_WRITE, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
    },
};

use super::{SecurityDescriptor, wide};

/// Makes a folder with this owner and access list (SDDL).
///
/// # Errors
/// `AlreadyExists` where something of that name is there; what Windows says.
pub fn create_folder(path: &Path, sddl: &str) -> io::Result<()> {
    let (descriptor, path) = (SecurityDescriptor::from_sddl(sddl)?, wide::path(path)?);
    let attributes = descriptor.attributes();
    // SAFETY: the path ends with a zero, and the descriptor lives until after the call.
    let done = unsafe { CreateDirectoryW(path.as_ptr(), attributes.as_ptr()) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes a file with this access list (SDDL), open for reading and writing. Others may open, rename and delete it
/// meanwhile, as with the files of `std`.
///
/// # Errors
/// `AlreadyExists` where something of that name is there; what Windows says.
pub fn create_new(path: &Path, sddl: &str) -> io::Result<File> {
    let (descriptor, path) = (SecurityDescriptor::from_sddl(sddl)?, wide::path(path)?);
    let attributes = descriptor.attributes();
    // SAFETY: the path ends with a zero, the descriptor lives until after the call, and no template is given.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            FILE_GENERIC_READ | FILE_GENERIC_WRITE,
            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
            attributes.as_ptr(),
            CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL,
            ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened here, and nobody else closes it.
    Ok(File::from(unsafe { OwnedHandle::from_raw_handle(handle) }))
}
