//! A failure with what the user needs to know: the exit status and what to do about it.

use std::error::Error;
use std::fmt;

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
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Makes a report of an error that knows what can be done about it, as `map_err(hinted(BindError::hint))`.
/// The error's causes are told with it; the exit status is [`exit_code::FAILED`].
pub fn hinted<E: Error>(hint: impl FnOnce(&E) -> Option<String>) -> impl FnOnce(E) -> anyhow::Error {
    carrying(exit_code::FAILED, hint)
}

/// As [`hinted`], for what is wrong with the configuration: [`exit_code::USAGE`].
pub fn misconfigured<E: Error>(hint: impl FnOnce(&E) -> Option<String>) -> impl FnOnce(E) -> anyhow::Error {
    carrying(exit_code::USAGE, hint)
}

fn carrying<E: Error>(
    exit_code: u8,
    hint: impl FnOnce(&E) -> Option<String>,
) -> impl FnOnce(E) -> anyhow::Error {
    move |error| {
        let hint = hint(&error);
        let what = with_causes(&error);
        Failure { what, exit_code, hint }.into()
    }
}

/// `what: why: why`; a cause that an error's own text ends with already is not said again.
fn with_causes(error: &dyn Error) -> String {
    let mut what = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        let text = why.to_string();
        if !what.ends_with(&text) {
            what.push_str(": ");
            what.push_str(&text);
        }
        cause = why.source();
    }
    what
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot listen")]
    struct Deaf(#[source] io::Error);

    #[test]
    fn a_hinted_error_keeps_its_causes_its_hint_and_its_status() {
        let error = Deaf(io::Error::other("port taken"));
        let error = hinted(|_: &Deaf| Some("take another".to_owned()))(error);
        let failure = error.downcast_ref::<Failure>().expect("a Failure");
        assert_eq!(failure.to_string(), "cannot listen: port taken");
        assert_eq!((failure.hint(), failure.exit_code()), (Some("take another"), exit_code::FAILED));
    }
}
