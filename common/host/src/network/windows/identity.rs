//! Which boot, and how long ago it was.

#![expect(
    unsafe_code,
    reason = "the boot's number stands in memory that the kernel shares with all programs"
)]

use std::io;
use std::ptr;

use windows_sys::Win32::System::SystemInformation::GetTickCount64;

use crate::network::Identity;

/// Where `KUSER_SHARED_DATA` (`ntddk.h`) stands in every process, and its `BootId`, which the loader of Windows
/// increments at each start. No clock has a part in it.
const SHARED_DATA: usize = 0x7ffe_0000;
const BOOT_ID: usize = SHARED_DATA + 0x2c4;

impl Identity {
    /// The boot. Where two have the same number, an undoing finds nothing of the first any more, and does nothing.
    ///
    /// # Errors
    /// None on Windows.
    pub fn current() -> io::Result<Self> {
        Ok(Self { boot_id: format!("windows-{}", boot_number()), network_namespace: 0 })
    }
}

fn boot_number() -> u32 {
    let address = ptr::with_exposed_provenance::<u32>(BOOT_ID);
    // SAFETY: Windows maps that page into every process, readable, and the field is an aligned 32-bit number.
    unsafe { ptr::read_volatile(address) }
}

/// Seconds since boot, sleep included.
pub(super) fn boot_seconds() -> u64 {
    // SAFETY: it only returns a number.
    let milliseconds = unsafe { GetTickCount64() };
    milliseconds / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_the_same_for_all_who_ask_and_lies_in_the_past() {
        assert_eq!(Identity::current().unwrap(), Identity::current().unwrap());
        assert!(boot_seconds() > 0);
    }
}
