//! Windows' Event Log: when a service has begun and ended, and why it could not go on.
//!
//! Its texts are those of a message file of Windows, `EventCreate.exe`, whose messages 1 to 1000 are what is reported with
//! them and nothing else.

#![expect(unsafe_code, reason = "the Event Log has no safe wrapper")]

use std::io;
use std::ptr;

use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, RegisterEventSourceW, ReportEventW,
};

/// The name of the source, and of the service that reports by it.
const NAME: &str = "v6tun";

/// Below it each source has a key (`Event Sources` of the Event Logging reference).
const SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";
const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";
/// Errors, warnings and information.
const TYPES: u32 = 7;

/// Characters of one text at the most (`ReportEventW`: 31,839).
const MAX_TEXT: usize = 4096;

/// `ERROR_FILE_NOT_FOUND`, as COM writes it: there is no such key.
const NOT_FOUND: i32 = 0x8007_0002_u32.cast_signed();

/// What is told.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// The service runs.
    Started,
    /// It has ended as it was asked to.
    Stopped,
    /// It has ended by itself.
    Failed,
}

/// Makes the source known.
///
/// # Errors
/// If the registry cannot be written to.
pub fn register() -> io::Result<()> {
    let key = LOCAL_MACHINE.create(format!(r"{SOURCES}\{NAME}"))?;
    key.set_expand_string("EventMessageFile", MESSAGES)?;
    key.set_u32("TypesSupported", TYPES)?;
    Ok(())
}

/// Takes back what [`register`] has done.
///
/// # Errors
/// If the registry cannot be written to.
pub fn unregister() -> io::Result<()> {
    let Ok(sources) = LOCAL_MACHINE.options().read().write().open(SOURCES) else { return Ok(()) };
    match sources.remove_tree(NAME) {
        Err(error) if error.code().0 != NOT_FOUND => Err(error.into()),
        _ => Ok(()),
    }
}

/// Tells it. Where it cannot be told, the log file alone has it.
pub fn report(event: Event, text: &str) {
    if let Err(error) = try_report(event, text) {
        tracing::debug!(%error, "the Event Log takes nothing");
    }
}

fn try_report(event: Event, text: &str) -> io::Result<()> {
    let (number, kind) = match event {
        Event::Started => (1, EVENTLOG_INFORMATION_TYPE),
        Event::Stopped => (2, EVENTLOG_INFORMATION_TYPE),
        Event::Failed => (3, EVENTLOG_ERROR_TYPE),
    };
    let (source, text) = (wide(NAME), wide(&text.chars().take(MAX_TEXT).collect::<String>()));
    // SAFETY: the name ends with a zero.
    let handle = unsafe { RegisterEventSourceW(ptr::null(), source.as_ptr()) };
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    let strings = [text.as_ptr()];
    // SAFETY: the handle is open, and the one string ends with a zero; there is neither a user nor data.
    let outcome = unsafe {
        ReportEventW(handle, kind, 0, number, ptr::null_mut(), 1, 0, strings.as_ptr(), ptr::null())
    };
    let reported = if outcome == 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: the handle is open, and used no more.
    unsafe { DeregisterEventSource(handle) };
    reported
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().filter(|unit| *unit != 0).chain([0]).collect()
}
