//! How an error reaches the user: `program: what: why`, then `hint: …`, and an exit status.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::{ConfigError, Failure, exit_code};

/// Says `error` on standard error, and returns the status to exit with.
///
/// The outermost [`Failure`] decides status and hint; without one a [`ConfigError`] does
/// ([`exit_code::USAGE`]); every other error is [`exit_code::FAILED`] and has no hint.
#[must_use]
pub fn report(program: &str, error: &anyhow::Error) -> ExitCode {
    // Where standard error is closed nobody is left to be told.
    let _ = io::stderr().write_all(text(program, error).as_bytes());
    ExitCode::from(status(error))
}

/// The same in one piece, for whoever reports it in our place.
#[must_use]
pub fn as_failure(error: &anyhow::Error) -> Failure {
    let failure = Failure::with_exit_code(single_line(&what_and_why(error)), status(error));
    match hint(error) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

fn status(error: &anyhow::Error) -> u8 {
    match (error.downcast_ref::<Failure>(), error.downcast_ref::<ConfigError>()) {
        (Some(failure), _) => failure.exit_code(),
        (None, Some(_)) => exit_code::USAGE,
        (None, None) => exit_code::FAILED,
    }
}

fn hint(error: &anyhow::Error) -> Option<String> {
    let of_failure = error.downcast_ref::<Failure>().and_then(Failure::hint);
    of_failure.map(str::to_owned).or_else(|| error.downcast_ref::<ConfigError>().and_then(ConfigError::hint))
}

fn text(program: &str, error: &anyhow::Error) -> String {
    let mut text = format!("{program}: {}\n", single_line(&what_and_why(error)));
    if let Some(hint) = hint(error) {
        writeln!(text, "hint: {}", single_line(&hint)).expect("a String takes all");
    }
    text
}

/// The error and its causes, without those that the error above them has already quoted.
fn what_and_why(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// One line in which no control character can act on the terminal.
fn single_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let mut line = String::new();
    for character in lines.join("; ").chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_plain_error_is_said_with_its_causes_and_is_a_failure() {
        let error = anyhow!("permission denied").context("cannot create v6tun0");
        assert_eq!(text("v6tun-server", &error), "v6tun-server: cannot create v6tun0: permission denied\n");
        assert_eq!(status(&error), exit_code::FAILED);
    }

    #[test]
    fn a_failure_decides_status_and_hint_wherever_it_stands() {
        let failure = Failure::not_running("no server runs here").with_hint("v6tun-server up");
        let said = "v6tun-server: no server runs here\nhint: v6tun-server up\n";
        let root = anyhow::Error::from(failure.clone());
        assert_eq!((text("v6tun-server", &root).as_str(), status(&root)), (said, 3));

        let inside = root.context("cannot tell the status");
        assert_eq!(status(&inside), 3);
        assert!(text("p", &inside).starts_with("p: cannot tell the status: no server runs here\nhint: "));

        let outside = Err::<(), _>(io::Error::other("refused")).context(failure).unwrap_err();
        assert_eq!(status(&outside), 3);
        assert_eq!(text("p", &outside), "p: no server runs here: refused\nhint: v6tun-server up\n");
    }

    #[test]
    fn the_outermost_failure_wins() {
        let error = anyhow::Error::from(Failure::failed("inner")).context(Failure::usage("outer"));
        assert_eq!(status(&error), exit_code::USAGE);
    }

    #[test]
    fn a_configuration_error_is_wrong_usage_and_brings_its_hint() {
        let error = ConfigError::Missing { path: PathBuf::from("/etc/v6tun/server.toml") };
        let expected = error.hint().unwrap();
        let error = anyhow::Error::from(error).context("cannot start");
        assert_eq!(status(&error), exit_code::USAGE);
        assert!(text("p", &error).ends_with(&format!("\nhint: {expected}\n")));
    }

    #[test]
    fn a_cause_that_is_already_quoted_is_not_said_twice() {
        let error = anyhow!("no route").context("cannot connect: no route");
        assert_eq!(text("p", &error), "p: cannot connect: no route\n");
    }

    #[test]
    fn many_lines_become_one_and_control_characters_become_visible() {
        let error = anyhow!("first\n\n second\x1b[31m");
        assert_eq!(text("p", &error), "p: first;  second\\u{1b}[31m\n");
    }
}
