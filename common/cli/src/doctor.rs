//! What `doctor` says: of each check what was seen, what was expected, and the command that mends it.
//!
//! ```text
//! pass  uplink      ens3, 2001:db8:1301:740::/64
//! FAIL  proxy-ndp   net.ipv6.conf.ens3.proxy_ndp is 0
//!       expected    1: else nobody answers the router when it looks for a client
//!       mend        sysctl -w net.ipv6.conf.ens3.proxy_ndp=1
//! ```

mod finding;

use std::fmt;

use serde::Serialize;

pub use finding::{Finding, Outcome};

/// Changes when a field changes its meaning or goes; new fields do not change it.
const VERSION: u32 = 1;
/// As wide as the longest [`Outcome`], with two blanks behind it.
const INDENT: usize = 6;

/// All that was checked, in the order in which it matters: what is below may follow from what is above.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    version: u32,
    checks: Vec<Checked>,
}

#[derive(Debug, Clone, Serialize)]
struct Checked {
    name: &'static str,
    #[serde(flatten)]
    finding: Finding,
}

impl Report {
    /// Without any check yet.
    #[must_use]
    pub fn new() -> Self {
        Self { version: VERSION, checks: Vec::new() }
    }

    /// Adds what the check of this name found.
    pub fn add(&mut self, name: &'static str, finding: Finding) {
        self.checks.push(Checked { name, finding });
    }

    /// How many checks ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|checked| checked.finding.outcome == outcome).count()
    }

    /// How the check of this name ended, if there was one.
    #[must_use]
    pub fn outcome_of(&self, name: &str) -> Option<Outcome> {
        self.checks.iter().find(|checked| checked.name == name).map(|checked| checked.finding.outcome)
    }

    /// The first check that failed, and what it saw.
    #[must_use]
    pub fn first_failure(&self) -> Option<(&'static str, &Finding)> {
        let failed = self.checks.iter().find(|checked| checked.finding.outcome == Outcome::Fail)?;
        Some((failed.name, &failed.finding))
    }

    /// As JSON, documented in docs/troubleshooting.md, with a newline at the end.
    ///
    /// # Panics
    /// Never: it has texts and numbers alone.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and numbers") + "\n"
    }

    /// `12 passed, 1 warning, 1 failed, 2 skipped`.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |outcome, word: &str| (self.count(outcome), word.to_owned());
        let warnings = if self.count(Outcome::Warn) == 1 { "warning" } else { "warnings" };
        let counts = [
            count(Outcome::Pass, "passed"),
            count(Outcome::Warn, warnings),
            count(Outcome::Fail, "failed"),
            count(Outcome::Skip, "skipped"),
        ];
        let said =
            counts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}"));
        said.collect::<Vec<_>>().join(", ")
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Report {
    /// One line a check; of those that did not pass what was expected and what mends it below.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.checks.iter().map(|checked| checked.name);
        let width = names.chain(["expected"]).map(str::len).max().unwrap_or(0);
        for Checked { name, finding } in &self.checks {
            let outcome = finding.outcome.shown();
            write_lines(f, &format!("{outcome:INDENT$}{name:width$}  "), &finding.seen)?;
            for (title, text) in [("expected", &finding.expected), ("mend", &finding.mend)] {
                if let Some(text) = text {
                    write_lines(f, &format!("{:INDENT$}{title:width$}  ", ""), text)?;
                }
            }
        }
        Ok(())
    }
}

/// Further lines stand under the first one's text.
fn write_lines(f: &mut fmt::Formatter<'_>, head: &str, text: &str) -> fmt::Result {
    let indent = head.chars().count();
    for (number, line) in text.lines().enumerate() {
        let head = if number == 0 { head } else { "" };
        writeln!(f, "{head:indent$}{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new();
        report.add("uplink", Finding::pass("ens3"));
        report.add("leases", Finding::fail("one is missing").expected("all").mend("ip one\nip two"));
        report.add("clock", Finding::skip("nobody to compare with"));
        report
    }

    #[test]
    fn what_did_not_pass_is_followed_by_what_was_expected_and_what_mends_it() {
        let expected = "\
pass  uplink    ens3
FAIL  leases    one is missing
      expected  all
      mend      ip one
                ip two
skip  clock     nobody to compare with
";
        assert_eq!(report().to_string(), expected);
    }

    #[test]
    fn the_summary_leaves_out_what_never_happened() {
        assert_eq!(report().summary(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(report().first_failure().map(|(name, _)| name), Some("leases"));
    }

    #[test]
    fn json_has_every_field_of_every_check() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["version"], 1);
        let leases = serde_json::json!({
            "name": "leases", "status": "fail", "seen": "one is missing", "expected": "all", "mend": "ip one\nip two",
        });
        assert_eq!(json["checks"][1], leases);
        let uplink = serde_json::json!({
            "name": "uplink", "status": "pass", "seen": "ens3", "expected": null, "mend": null,
        });
        assert_eq!(json["checks"][0], uplink);
    }
}
