//! A failure with what the user needs to know: the exit status and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::exit_code;

/// What failed, with its exit status and, if there is one, a hint.
///
/// Stands at the root of an [`anyhow::Error`], or as the context of one whose cause is the why:
///
/// ```
/// use anyhow::Context as _;
/// use v6tun_cli::Failure;
///
/// fn bind() -> anyhow::Result<std::net::UdpSocket> {
///     std::net::UdpSocket::bind("[::1]:0").context(
///         Failure::failed("cannot listen on port 51820").with_hint("ss -lunp sport = :51820"),
///     )
/// }
/// # bind().unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    what: String,
    exit_code: u8,
    hint: Option<String>,
}

impl Failure {
    /// Something was tried, and failed: [`exit_code::FAILED`].
    #[must_use]
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(what.into(), exit_code::FAILED)
    }

    /// The command line or the configuration is wrong: [`exit_code::USAGE`].
    #[must_use]
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(what.into(), exit_code::USAGE)
    }

    /// The program that was asked about does not run: [`exit_code::NOT_RUNNING`].
    #[must_use]
    pub fn not_running(what: impl Into<String>) -> Self {
        Self::new(what.into(), exit_code::NOT_RUNNING)
    }

    /// There is no connection, and the time to wait for one is over: [`exit_code::NOT_CONNECTED`].
    #[must_use]
    pub fn not_connected(what: impl Into<String>) -> Self {
        Self::new(what.into(), exit_code::NOT_CONNECTED)
    }

    /// Whatever status another process is to exit with.
    pub(crate) fn with_exit_code(what: String, exit_code: u8) -> Self {
        Self::new(what, exit_code)
    }

    fn new(what: String, exit_code: u8) -> Self {
        Self { what, exit_code, hint: None }
    }

    /// Adds what the user can do about it, a command wherever there is one.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit status, one of [`exit_code`]'s.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}
