//! What `doctor` does in both programs: the checks of the machine alone, and the end of the report.

mod clock;
mod leftovers;
mod privileges;

use anyhow::Result;
use std::io::{self, Write};
use std::process::ExitCode;
use v6tun_cli::doctor::{Finding, Outcome, Report};
use v6tun_cli::error_report;

pub use clock::check as check_clock;
pub use leftovers::check as check_leftovers;
pub use privileges::check as check_privileges;

/// What could not be looked at, and why.
#[must_use]
pub fn cannot_tell(error: impl Into<anyhow::Error>) -> Finding {
    Finding::skip(error_report::as_failure(&error.into()).to_string())
}

/// Prints the report, as JSON or with `last_line` below it. The exit status is 1 if a check failed.
///
/// # Errors
/// If standard output is closed.
pub fn tell(report: &Report, is_json: bool, last_line: &str) -> Result<ExitCode> {
    let text = if is_json { report.to_json() } else { format!("{report}{last_line}\n") };
    io::stdout().write_all(text.as_bytes())?;
    Ok(if report.count(Outcome::Fail) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
