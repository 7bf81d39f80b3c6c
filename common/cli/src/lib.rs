//! What v6tun says: the way in which its programs read their configuration, report failures, log,
//! and show figures to people.
//!
//! A user reads one line of what and why, then one of what to do about it:
//!
//! ```text
//! v6tun-server: /etc/v6tun/server.toml:3: unknown key `listen-prot`, did you mean `listen-port`?
//! hint: the keys known here are `private-key-file`, `listen-port`, `uplink`, `pool`, `client`
//! ```

pub mod config_file;
pub mod doctor;
mod elevation;
pub mod error_report;
pub mod exit_code;
mod failure;
pub mod humanize;
pub mod logging;
pub mod qr;
pub mod table;
pub mod turtle;

pub use config_file::ConfigError;
pub use elevation::{RUN_ELEVATED, elevated};
pub use failure::Failure;
