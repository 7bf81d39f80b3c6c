//! Whom this process runs as.

#![expect(unsafe_code, reason = "tokens have no safe wrapper")]

use std::{
    ffi::c_void,
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    ptr,
};

use windows_sys::Win32::{
    Security::{
        Authorization::ConvertSidToStringSidW, CheckTokenMembership, CreateWellKnownSid, GetTokenInformation,
        PSID, SECURITY_MAX_SID_SIZE, TOKEN_INFORMATION_CLASS, TOKEN_QUERY, TokenOwner, TokenUser,
        WinBuiltinAdministratorsSid,
    },
    System::Threading::{GetCurrentProcess, OpenProcessToken},
};

use super::{AccessList, SecurityDescriptor, descriptor::LocalMemory, wide};

/// Words of memory for one answer about a token: an identifier of 68 bytes, and what points to it.
const ANSWER_LEN: usize = 16;

/// Whether this process has the rights of Administrators: an elevated administrator's has, and a service's.
///
/// # Errors
/// When Windows does not say.
pub fn is_administrator() -> io::Result<bool> {
    let mut administrators = [0_u32; SECURITY_MAX_SID_SIZE as usize / 4];
    let mut len = SECURITY_MAX_SID_SIZE;
    let sid: PSID = administrators.as_mut_ptr().cast();
    // SAFETY: the memory is as long as the longest identifier, and aligned for one.
    let made = unsafe { CreateWellKnownSid(WinBuiltinAdministratorsSid, ptr::null_mut(), sid, &mut len) };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut is_member = 0;
    // SAFETY: the identifier was made above; no token is the one of this thread.
    let told = unsafe { CheckTokenMembership(ptr::null_mut(), sid, &mut is_member) };
    if told == 0 { Err(io::Error::last_os_error()) } else { Ok(is_member != 0) }
}

/// The user that this process runs as, in SDDL.
///
/// # Errors
/// When Windows does not say.
pub fn own_user() -> io::Result<String> {
    about_token(TokenUser)
}

/// Whose it is what this process makes, in SDDL: Administrators for an elevated administrator, else its user.
///
/// # Errors
/// When Windows does not say.
pub fn own_owner() -> io::Result<String> {
    about_token(TokenOwner)
}

/// An identifier that a token answers with, alone or before other fields.
fn about_token(class: TOKEN_INFORMATION_CLASS) -> io::Result<String> {
    let token = own_token()?;
    let mut answer = [0_usize; ANSWER_LEN];
    let (place, mut len): (*mut c_void, u32) = (answer.as_mut_ptr().cast(), size_of_val(&answer) as u32);
    // SAFETY: the token is open, and the memory is as long as is said.
    let told = unsafe { GetTokenInformation(token.as_raw_handle(), class, place, len, &mut len) };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    let [sid, ..] = answer;
    let sid: PSID = ptr::with_exposed_provenance_mut(sid);
    in_sddl(sid)
}

fn own_token() -> io::Result<OwnedHandle> {
    // SAFETY: it takes nothing, and its answer needs not be closed.
    let process = unsafe { GetCurrentProcess() };
    let mut token = ptr::null_mut();
    // SAFETY: the process is this one, and the handle is closed by its owner.
    let opened = unsafe { OpenProcessToken(process, TOKEN_QUERY, &mut token) };
    if opened == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened here, and nobody else closes it.
    Ok(unsafe { OwnedHandle::from_raw_handle(token) })
}

/// The identifier as Windows writes it in access lists: some have letters there that they have not by themselves.
fn in_sddl(sid: PSID) -> io::Result<String> {
    let mut text = ptr::null_mut();
    // SAFETY: it is an identifier, in memory that its caller holds; the text is freed by its owner.
    let done = unsafe { ConvertSidToStringSidW(sid, &mut text) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let text = LocalMemory(text.cast());
    let number = wide::read(text.0.cast());
    let written = SecurityDescriptor::from_sddl(&format!("O:{number}D:"))?.to_sddl()?;
    let list = AccessList::from_sddl(&written)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{error}: {written}")))?;
    Ok(list.owner().to_owned())
}
