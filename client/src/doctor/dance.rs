//! The turtle in the terminal.

use std::io::{self, Write};

use anyhow::Result;
use tokio::time::sleep;
use v6tun_cli::turtle::{DANCE, STEP, STILL};

/// How many times the dance goes through all of its steps.
const ROUNDS: usize = 2;

/// Shows the dance, each step over the one before (ECMA-48); or the turtle that keeps still.
///
/// # Errors
/// If standard output is closed.
pub(super) async fn show(dances: bool) -> Result<()> {
    let mut terminal = io::stdout();
    if !dances {
        return Ok(writeln!(terminal, "{STILL}")?);
    }
    for (number, step) in DANCE.iter().cycle().take(ROUNDS * DANCE.len()).enumerate() {
        if number > 0 {
            sleep(STEP).await;
            write!(terminal, "\x1b[{}A", step.lines().count())?;
        }
        for line in step.lines() {
            writeln!(terminal, "{line}\x1b[K")?;
        }
        terminal.flush()?;
    }
    Ok(writeln!(terminal)?)
}
