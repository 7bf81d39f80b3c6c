//! The client as a service of its system: there after every boot, before anybody logs on.
//!
//! Each system has its own commands for it, [`Command`], and its own way to hear that the client is ready.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;
#[cfg(any(windows, test))]
mod windows_command_line;
#[cfg(any(windows, test))]
mod windows_log_file;

#[cfg(target_os = "linux")]
pub(crate) use linux::{Command, has_console, name_holder, run, serve, tell_ready};
#[cfg(windows)]
pub(crate) use windows::{Command, has_console, name_holder, run, serve, tell_ready};
