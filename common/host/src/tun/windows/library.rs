//! `wintun.dll`, from the program's own folder and from nowhere else: what is loaded has the program's rights.

#![expect(unsafe_code, reason = "a library's initialization is code like any other")]

use std::{io, path::PathBuf};

use libloading::os::windows::{LOAD_LIBRARY_SEARCH_SYSTEM32, Library};
use windows_sys::Win32::Foundation::ERROR_BAD_EXE_FORMAT;
use wintun::Wintun;

use super::DeviceError;

/// The driver's library, as WireGuard LLC names it.
const NAME: &str = "wintun.dll";

/// Where the library must lie: beside the program.
///
/// # Errors
/// If Windows does not tell where the program lies.
fn library_path() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(NAME))
}

pub(super) fn load(name: &str) -> Result<Wintun, DeviceError> {
    let path = library_path().map_err(|source| DeviceError::Io { name: name.to_owned(), source })?;
    if !path.is_file() {
        return Err(DeviceError::LibraryMissing { path });
    }
    // SAFETY: the path is absolute and leads into the program's own folder, which administrators alone write to;
    // what the library itself needs is searched in the system's folder.
    let library = unsafe { Library::load_with_flags(&path, LOAD_LIBRARY_SEARCH_SYSTEM32) };
    let library = library.map_err(|error| {
        let source = io::Error::last_os_error();
        match source.raw_os_error().map(i32::cast_unsigned) {
            Some(ERROR_BAD_EXE_FORMAT) => DeviceError::LibraryOfAnotherKind { path: path.clone() },
            _ => DeviceError::LibraryUnusable { path: path.clone(), why: error.to_string() },
        }
    })?;
    // SAFETY: each function is looked up by its name; that it has wintun's meaning is what the name stands for.
    let wintun = unsafe { wintun::load_from_library(library) };
    wintun.map_err(|_| DeviceError::LibraryOfAnotherMaker { path })
}
