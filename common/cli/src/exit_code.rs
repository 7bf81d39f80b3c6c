//! The exit statuses of v6tun's programs.

/// Done.
pub const OK: u8 = 0;
/// It was tried, and failed.
pub const FAILED: u8 = 1;
/// The command line or the configuration is wrong; nothing was tried.
pub const USAGE: u8 = 2;
/// Asked about a program that does not run.
pub const NOT_RUNNING: u8 = 3;
/// Not connected within the time that `--wait` gave.
pub const NOT_CONNECTED: u8 = 4;
