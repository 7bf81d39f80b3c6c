//! What is wrong is refused with what, why, a hint and the documented exit code, and nothing is touched.

mod arrangement;
mod bare;
mod client;
mod server;

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::{Finished, Lab, Snapshot};
use v6tun_tests::product::Installation;

use crate::tools::wait_until_settled;
use arrangement::{Arranged, Arrangement};

/// A mistake, and how it is answered.
struct Case {
    name: &'static str,
    arrangement: Arrangement,
    /// The exit code.
    code: i32,
    /// A part of the line that says what and why.
    what: &'static str,
    /// A part of the line that says what to do; empty where the line above says all that can be said.
    hint: &'static str,
}

impl Case {
    fn of(name: &'static str, arrangement: Arrangement) -> Self {
        Self { name, arrangement, code: 0, what: "", hint: "" }
    }

    fn exits(self, code: i32, what: &'static str, hint: &'static str) -> Self {
        Self { code, what, hint, ..self }
    }
}

/// Makes each mistake with `installation`, and expects its answer from an `up` that leaves the host alone.
fn assert_all_refused(lab: &Lab, installation: &Installation, cases: &[Case]) -> Result<()> {
    wait_until_settled(installation.host())?;
    let mut wrong = String::new();
    for case in cases {
        if let Err(error) = assert_refused(lab, installation, case) {
            let _ = writeln!(wrong, "{}: {error:#}\n", case.name);
        }
    }
    ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}

fn assert_refused(lab: &Lab, installation: &Installation, case: &Case) -> Result<()> {
    let arranged = Arranged::new(lab, installation, &case.arrangement)?;
    let before = Snapshot::take(installation.host())?;
    let finished = arranged.up()?;
    let difference = before.difference(&Snapshot::take(installation.host())?);
    ensure!(difference.is_empty(), "the host was touched:\n{difference}");
    assert_answer(&finished, installation.program(), case.code, case.what, case.hint)
}

/// The form of every refusal: `program: what: why`, then `hint: …`, on standard error.
fn assert_answer(finished: &Finished, program: &str, code: i32, what: &str, hint: &str) -> Result<()> {
    let explain = || format!("expected {code}, {what:?}, hint {hint:?}; got {finished:?}");
    ensure!(finished.code == Some(code), explain());
    let lines: Vec<&str> = finished.stderr.lines().collect();
    let said =
        lines.iter().position(|line| line.starts_with(&format!("{program}: "))).with_context(explain)?;
    ensure!(lines[said].contains(what), explain());
    if hint.is_empty() {
        return Ok(());
    }
    let hinted = lines.get(said + 1).and_then(|line| line.strip_prefix("hint: ")).with_context(explain)?;
    ensure!(hinted.contains(hint), explain());
    Ok(())
}
