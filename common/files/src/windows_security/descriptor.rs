//! Security descriptors: an owner and an access list, in memory that Windows allocates.

#![expect(unsafe_code, reason = "security descriptors have no safe wrapper")]

use std::{
    ffi::c_void,
    fmt, io,
    marker::PhantomData,
    os::windows::io::{AsHandle, AsRawHandle},
    ptr,
};

use windows_sys::Win32::{
    Foundation::{ERROR_SUCCESS, LocalFree},
    Security::{
        Authorization::{
            ConvertSecurityDescriptorToStringSecurityDescriptorW,
            ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1,
            SE_FILE_OBJECT,
        },
        DACL_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, SECURITY_ATTRIBUTES,
    },
};

use super::{AccessList, wide};

/// Memory that Windows allocated for its caller to free.
pub(super) struct LocalMemory(pub(super) *mut c_void);

impl Drop for LocalMemory {
    fn drop(&mut self) {
        // SAFETY: it was allocated so, and nobody else frees it.
        let _ = unsafe { LocalFree(self.0) };
    }
}

/// An owner and an access list, for what is to be made.
pub struct SecurityDescriptor(LocalMemory);

impl fmt::Debug for SecurityDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityDescriptor").finish_non_exhaustive()
    }
}

/// The form in which the calls take it that make something. The handle is not inherited by child processes.
pub struct Attributes<'a> {
    raw: SECURITY_ATTRIBUTES,
    descriptor: PhantomData<&'a SecurityDescriptor>,
}

impl Attributes<'_> {
    /// Its address, good for as long as this lives.
    pub fn as_mut_ptr(&mut self) -> *mut c_void {
        (&raw mut self.raw).cast()
    }

    pub(super) fn as_ptr(&self) -> *const SECURITY_ATTRIBUTES {
        &raw const self.raw
    }
}

impl SecurityDescriptor {
    /// From its text, such as `D:P(A;;FA;;;SY)`.
    ///
    /// # Errors
    /// When Windows does not understand it, or does not know the owner.
    pub fn from_sddl(text: &str) -> io::Result<Self> {
        let text = wide::text(text);
        let mut descriptor = ptr::null_mut();
        // SAFETY: the text ends with a zero, and the descriptor is freed by its owner.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &mut descriptor,
                ptr::null_mut(),
            )
        };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(LocalMemory(descriptor)))
    }

    /// What the calls take that make something.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'_> {
        let raw = SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.0.0,
            bInheritHandle: 0,
        };
        Attributes { raw, descriptor: PhantomData }
    }

    /// Owner and access list as Windows writes them.
    ///
    /// # Errors
    /// When memory is short.
    pub fn to_sddl(&self) -> io::Result<String> {
        let mut text = ptr::null_mut();
        // SAFETY: the descriptor is one, and the text is freed by its owner.
        let done = unsafe {
            ConvertSecurityDescriptorToStringSecurityDescriptorW(
                self.0.0,
                SDDL_REVISION_1,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                &mut text,
                ptr::null_mut(),
            )
        };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        let text = LocalMemory(text.cast());
        Ok(wide::read(text.0.cast()))
    }

    /// Of a file or a folder that is open, with the right to read this (`READ_CONTROL`).
    fn of(handle: impl AsHandle) -> io::Result<Self> {
        let mut descriptor = ptr::null_mut();
        let wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
        let (none, nothing) = (ptr::null_mut(), ptr::null_mut());
        let handle = handle.as_handle();
        let raw = handle.as_raw_handle();
        // SAFETY: the handle is open, and the descriptor is freed by its owner; the parts of it are not asked for.
        let code = unsafe {
            GetSecurityInfo(raw, SE_FILE_OBJECT, wanted, none, none, nothing, nothing, &mut descriptor)
        };
        if code != ERROR_SUCCESS {
            return Err(io::Error::from_raw_os_error(code.cast_signed()));
        }
        Ok(Self(LocalMemory(descriptor)))
    }
}

/// Who owns a file or a folder that is open, and who has which rights on it.
///
/// # Errors
/// When the handle has not the right to ask, or the answer is not understood.
pub fn access_list_of(handle: impl AsHandle) -> io::Result<AccessList> {
    let text = SecurityDescriptor::of(handle)?.to_sddl()?;
    AccessList::from_sddl(&text)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{error}: {text}")))
}
