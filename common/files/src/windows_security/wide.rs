//! Text as Windows takes and gives it.

#![expect(unsafe_code, reason = "Windows gives text by its address")]

use std::{
    ffi::OsStr,
    io,
    os::windows::ffi::OsStrExt,
    path::{Component, Path, Prefix, absolute},
    slice,
};

/// UTF-16 units of a path from which on Windows wants it in the form `\\?\C:\…`: a folder's has 248 at most.
const LONG: usize = 240;
/// UTF-16 units of an access list's text: a list has 64 KiB at most, and no byte of it becomes more than this.
const MAX_LEN: usize = 64 * 1024 * 16;

/// A path with a zero at its end.
pub(super) fn path(path: &Path) -> io::Result<Vec<u16>> {
    let path = absolute(path)?;
    let units: Vec<u16> = path.as_os_str().encode_wide().collect();
    if units.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path with a zero in it"));
    }
    let is_plain = matches!(path.components().next(),
        Some(Component::Prefix(prefix)) if matches!(prefix.kind(), Prefix::Disk(_)));
    let prefix = if is_plain && units.len() >= LONG { r"\\?\" } else { "" };
    Ok(OsStr::new(prefix).encode_wide().chain(units).chain([0]).collect())
}

/// A text with a zero at its end.
pub(super) fn text(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A copy of a text that ends with a zero.
pub(super) fn read(text: *const u16) -> String {
    // SAFETY: for each unit that is asked for, those before it were no zero, which ends the text.
    let unit = |index| unsafe { text.wrapping_add(index).read() };
    let len = (0..MAX_LEN).take_while(|index| unit(*index) != 0).count();
    // SAFETY: so many units were found before the zero.
    let units = unsafe { slice::from_raw_parts(text, len) };
    String::from_utf16_lossy(units)
}
