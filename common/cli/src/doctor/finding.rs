//! What one check found.

use serde::Serialize;

use crate::error_report;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As it must be.
    Pass,
    /// It works, but may not for long or for everybody.
    Warn,
    /// It cannot work so.
    Fail,
    /// It could not be checked.
    Skip,
}

impl Outcome {
    /// As it stands at the beginning of a line: a failure catches the eye.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::Skip => "skip",
        }
    }
}

/// What was seen, what was expected, and the command that mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(rename = "status")]
    pub(super) outcome: Outcome,
    pub(super) seen: String,
    pub(super) expected: Option<String>,
    pub(super) mend: Option<String>,
}

impl Finding {
    /// It is as it must be: `seen` says how it is.
    #[must_use]
    pub fn pass(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Pass, seen)
    }

    /// It works, but may not for long or for everybody.
    #[must_use]
    pub fn warn(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Warn, seen)
    }

    /// It cannot work so.
    #[must_use]
    pub fn fail(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Fail, seen)
    }

    /// It could not be checked, and why.
    #[must_use]
    pub fn skip(why: impl Into<String>) -> Self {
        Self::new(Outcome::Skip, why)
    }

    /// A failure of what and why the error says; its hint mends it.
    #[must_use]
    pub fn failed_by(error: &anyhow::Error) -> Self {
        let failure = error_report::as_failure(error);
        let finding = Self::fail(failure.to_string());
        match failure.hint() {
            Some(hint) => finding.mend(hint),
            None => finding,
        }
    }

    fn new(outcome: Outcome, seen: impl Into<String>) -> Self {
        Self { outcome, seen: seen.into(), expected: None, mend: None }
    }

    /// Adds what it should be, and what for.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Adds the command that mends it, as it is typed, one a line.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// What was seen.
    #[must_use]
    pub fn seen(&self) -> &str {
        &self.seen
    }
}
