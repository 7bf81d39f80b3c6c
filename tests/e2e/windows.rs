//! The Windows client in the lab, under Wine: what is about Windows alone, and those tests of the Linux client that hold
//! for any.
//!
//! Needs `tests/windows/setup`, and the programs that `tests/windows/env` has cargo build.

#[path = "windows/client.rs"]
mod client;
#[path = "windows/faults.rs"]
mod faults;
#[path = "windows/firewall.rs"]
mod firewall;
#[path = "windows/machine.rs"]
mod machine;
#[path = "windows/package.rs"]
mod package;
#[path = "windows/service.rs"]
mod service;
#[path = "windows/throughput.rs"]
mod throughput;

// From one source with the tests of the Linux client.
mod address_conflicts;
mod clients;
mod doctor;
mod interop;
mod invitations;
mod lease_start;
mod one_command;
mod path;
mod pc_changes;
mod pc_untouched;
mod tools;
mod turtle;
mod unreachable;

use v6tun_tests::lab::{Options, System};

/// The lab that tests of a client's behaviour begin with.
fn options() -> Options {
    Options { pc: System::Windows, ..Options::default() }
}
