//! The tables that IP Helper allocates, as owned rows, and its numbers for errors.

#![expect(unsafe_code, reason = "a table is read where Windows has put it")]

use std::ffi::c_void;
use std::io;
use std::slice;

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, WIN32_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::FreeMibTable;

use crate::network::windows_rows::is_empty;

/// A table of Windows', freed when it is dropped.
struct Table(*const c_void);

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: Windows has allocated it for the caller to free, and it is null or not freed yet.
        unsafe { FreeMibTable(self.0) };
    }
}

/// Copies the rows of a table, and frees it. `code` is the answer of the function that gave it: where that says that
/// there is nothing, there are no rows.
///
/// # Errors
/// What else it says.
///
/// # Safety
/// The table is what a function `Get…Table` of IP Helper has given together with `code`, its rows are `R`, and nobody
/// else frees it.
pub(super) unsafe fn take<R: Copy>(code: WIN32_ERROR, table: *const c_void) -> io::Result<Vec<R>> {
    match check(code) {
        Err(error) if is_empty(&error) => return Ok(Vec::new()),
        result => result?,
    }
    let table = Table(table);
    if table.0.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: such a table begins with the number of its rows.
    let count = unsafe { *table.0.cast::<u32>() };
    let offset = size_of::<u32>().next_multiple_of(align_of::<R>());
    // SAFETY: behind that number stand the rows, as near as their alignment lets them.
    let first = unsafe { table.0.byte_add(offset) }.cast::<R>();
    // SAFETY: so many rows are there, Windows has filled them, and they live until `table` is dropped.
    Ok(unsafe { slice::from_raw_parts(first, count as usize) }.to_vec())
}

/// Windows' answer as a result.
pub(super) fn check(code: WIN32_ERROR) -> io::Result<()> {
    if code == ERROR_SUCCESS { Ok(()) } else { Err(io::Error::from_raw_os_error(code.cast_signed())) }
}
