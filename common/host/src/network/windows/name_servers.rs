//! The IPv6 name servers that somebody has set on an interface.
//!
//! Windows has these functions since Windows 10 version 2004: they are looked up, so that an older one can start the
//! program. There nothing is told to be set, and nothing can be.

#![expect(unsafe_code, reason = "the functions are looked up by their names, and take a C struct")]

use std::io;
use std::iter;
use std::net::Ipv6Addr;
use std::slice;

use libloading::os::windows::Library;
use windows_sys::Win32::Foundation::WIN32_ERROR;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    DNS_INTERFACE_SETTINGS, DNS_INTERFACE_SETTINGS_VERSION1, DNS_SETTING_IPV6, DNS_SETTING_NAMESERVER,
};
use windows_sys::core::{GUID, PWSTR};

use super::table::check;
use crate::network::windows_rows::{is_gone, parse_name_servers, text, write_name_servers};

type Get = unsafe extern "system" fn(GUID, *mut DNS_INTERFACE_SETTINGS) -> WIN32_ERROR;
type Set = unsafe extern "system" fn(GUID, *const DNS_INTERFACE_SETTINGS) -> WIN32_ERROR;
type Free = unsafe extern "system" fn(*mut DNS_INTERFACE_SETTINGS);

/// UTF-16 units that are read of a setting at most: more than two hundred addresses.
const TEXT_LEN: usize = 8192;

const TOO_OLD: &str = "Windows 10 version 2004 is the first that can set name servers for one adapter";

/// None where nothing is set, and on a Windows that does not tell.
pub(super) fn get(interface: GUID) -> io::Result<Vec<Ipv6Addr>> {
    let Some(Functions { get, free, .. }) = functions() else { return Ok(Vec::new()) };
    let mut settings = settings();
    // SAFETY: the struct is of the version that it says.
    match check(unsafe { get(interface, &mut settings) }) {
        // The interface has no settings of its own, or has gone.
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        result => result?,
    }
    let servers = parse_name_servers(&read(settings.NameServer));
    // SAFETY: Windows has filled it, and what it holds is not read any more.
    unsafe { free(&mut settings) };
    Ok(servers)
}

/// In the order of their use; none lets Windows find some.
pub(super) fn set(interface: GUID, servers: &[Ipv6Addr]) -> io::Result<()> {
    let Functions { set, .. } =
        functions().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, TOO_OLD))?;
    let mut text: Vec<u16> = write_name_servers(servers).encode_utf16().chain(iter::once(0)).collect();
    let mut settings = settings();
    settings.Flags |= u64::from(DNS_SETTING_NAMESERVER);
    settings.NameServer = text.as_mut_ptr();
    // SAFETY: the struct is of the version that it says, and its text ends with a zero.
    check(unsafe { set(interface, &settings) })
}

fn settings() -> DNS_INTERFACE_SETTINGS {
    DNS_INTERFACE_SETTINGS {
        Version: DNS_INTERFACE_SETTINGS_VERSION1,
        Flags: u64::from(DNS_SETTING_IPV6),
        ..DNS_INTERFACE_SETTINGS::default()
    }
}

#[derive(Clone, Copy)]
struct Functions {
    get: Get,
    set: Set,
    free: Free,
}

/// They are in the library that the program has been started with.
fn functions() -> Option<Functions> {
    let library = Library::open_already_loaded("iphlpapi.dll").ok()?;
    // SAFETY: the type is that of `netioapi.h`.
    let get = unsafe { library.get::<Get>(b"GetInterfaceDnsSettings\0") }.ok()?;
    // SAFETY: as above.
    let set = unsafe { library.get::<Set>(b"SetInterfaceDnsSettings\0") }.ok()?;
    // SAFETY: as above.
    let free = unsafe { library.get::<Free>(b"FreeInterfaceDnsSettings\0") }.ok()?;
    // The library stays loaded: the program itself is linked with it.
    Some(Functions { get: *get, set: *set, free: *free })
}

/// A copy of a string that ends with a zero, or of as much of it as is read.
fn read(from: PWSTR) -> String {
    if from.is_null() {
        return String::new();
    }
    let is_text = |at: &usize| {
        // SAFETY: the string ends with a zero, and no unit behind that is asked for.
        let unit = unsafe { from.add(*at) };
        // SAFETY: as above.
        (unsafe { unit.read() }) != 0
    };
    let len = (0..TEXT_LEN).take_while(is_text).count();
    // SAFETY: so many units were found before the zero.
    text(unsafe { slice::from_raw_parts(from, len) })
}
