//! The power manager's notifications, which a program gets without a window and without being a service.

#![expect(unsafe_code, reason = "Windows calls back")]

use std::{ffi::c_void, fmt, io, ptr};

use windows_sys::Win32::{
    Foundation::{ERROR_SUCCESS, HANDLE},
    System::Power::{
        DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS, HPOWERNOTIFY, PowerRegisterSuspendResumeNotification,
        PowerUnregisterSuspendResumeNotification,
    },
    UI::WindowsAndMessaging::{DEVICE_NOTIFY_CALLBACK, PBT_APMRESUMEAUTOMATIC, PBT_APMRESUMESUSPEND},
};

use super::report_resumed;

/// A callback that is registered; none where Windows took it not.
pub(super) struct Registration(Option<HPOWERNOTIFY>);

// SAFETY: the handle is no more than a number for Windows, which any thread may give back.
unsafe impl Send for Registration {}

// SAFETY: nothing can be done with a shared one.
unsafe impl Sync for Registration {}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}

impl Registration {
    pub(super) fn new() -> Self {
        let parameters =
            DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS { Callback: Some(on_change), Context: ptr::null_mut() };
        let recipient: HANDLE = (&raw const parameters).cast_mut().cast();
        let mut handle = ptr::null_mut();
        // SAFETY: the recipient is what the flag says, and is copied; its callback needs no context.
        let code =
            unsafe { PowerRegisterSuspendResumeNotification(DEVICE_NOTIFY_CALLBACK, recipient, &mut handle) };
        if code != ERROR_SUCCESS {
            let error = io::Error::from_raw_os_error(code.cast_signed());
            tracing::debug!(%error, "Windows does not tell when the PC wakes up");
            return Self(None);
        }
        Self(Some(handle as HPOWERNOTIFY))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let Some(handle) = self.0 else { return };
        // SAFETY: it is registered.
        let code = unsafe { PowerUnregisterSuspendResumeNotification(handle) };
        if code != ERROR_SUCCESS {
            let error = io::Error::from_raw_os_error(code.cast_signed());
            tracing::debug!(%error, "the listener to the PC's sleep is not cancelled");
        }
    }
}

/// After each sleep Windows says the first, and then the second where somebody has woken it.
unsafe extern "system" fn on_change(_context: *const c_void, kind: u32, _setting: *const c_void) -> u32 {
    if [PBT_APMRESUMEAUTOMATIC, PBT_APMRESUMESUSPEND].contains(&kind) {
        report_resumed();
    }
    ERROR_SUCCESS
}
