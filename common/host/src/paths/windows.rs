//! `%ProgramData%\v6tun`. Windows is asked for that folder, and not the environment, which a user may set.

#![expect(unsafe_code, reason = "known folders have no safe wrapper")]

use std::{ffi::OsString, os::windows::ffi::OsStringExt, path::PathBuf, ptr, slice};

use windows_sys::Win32::{
    System::Com::CoTaskMemFree,
    UI::Shell::{FOLDERID_ProgramData, SHGetKnownFolderPath},
};

/// Where the folder is on all PCs whose owner has not moved it.
const USUAL: &str = r"C:\ProgramData";
/// UTF-16 units that a path of Windows has at most.
const MAX_LEN: usize = 32_767;

/// Of the configuration and the keys.
#[must_use]
pub fn config_dir() -> PathBuf {
    program_data().join("v6tun")
}

/// Of what must outlive the process.
#[must_use]
pub fn state_dir() -> PathBuf {
    config_dir().join("state")
}

/// Of the lock.
#[must_use]
pub fn runtime_dir() -> PathBuf {
    config_dir().join("run")
}

/// Of the service's log.
#[must_use]
pub fn log_dir() -> PathBuf {
    config_dir().join("log")
}

fn program_data() -> PathBuf {
    let mut path = ptr::null_mut();
    // SAFETY: the identifier is a constant, no token is given, and `path` receives a string that is freed below.
    let outcome = unsafe { SHGetKnownFolderPath(&FOLDERID_ProgramData, 0, ptr::null_mut(), &mut path) };
    let found = if outcome == 0 && !path.is_null() { Some(read(path)) } else { None };
    // SAFETY: the string was allocated for the caller to free, also where it is null.
    unsafe { CoTaskMemFree(path.cast()) };
    found.unwrap_or_else(|| PathBuf::from(USUAL))
}

/// A copy of a string that ends with a zero.
fn read(text: *const u16) -> PathBuf {
    // SAFETY: for each unit that is asked for, those before it were no zero, which ends the string.
    let unit = |index| unsafe { text.wrapping_add(index).read() };
    let len = (0..MAX_LEN).take_while(|index| unit(*index) != 0).count();
    // SAFETY: so many units were found before the zero.
    let units = unsafe { slice::from_raw_parts(text, len) };
    PathBuf::from(OsString::from_wide(units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_lie_in_one_of_the_machines_own_and_not_where_the_environment_says() {
        assert!(config_dir().is_absolute());
        assert!(config_dir().ends_with(r"ProgramData\v6tun"), "{}", config_dir().display());
        assert!(state_dir().starts_with(config_dir()) && log_dir().starts_with(config_dir()));
    }
}
