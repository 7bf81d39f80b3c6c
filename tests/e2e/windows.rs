//! The Windows client in the lab, under Wine: what is about Windows alone, and the tests of the Linux client that hold
//! for any.
//!
//! Needs `tests/windows/setup`, and the programs that `tests/windows/env` has cargo build.

#[path = "windows/machine.rs"]
mod machine;
#[path = "windows/package.rs"]
mod package;
