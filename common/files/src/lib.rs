//! Files as each system has them: how text in them is encoded ([`text`]), and on Windows who may open them
//! (`windows_security`).
//!
//! This crate knows nothing of what the files are for. The judgement of an access list is pure, and is compiled for
//! the tests of every system.

pub mod text;
#[cfg(any(windows, test))]
pub mod windows_security;
