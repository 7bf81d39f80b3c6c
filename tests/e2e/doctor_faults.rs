//! The lab is broken in every way that a doctor knows, one after the other.

mod client;
mod server;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::Namespace;
use v6tun_tests::product::Installation;

use crate::doctor::{Found, check};

/// A running program puts right within moments what it can: so it is broken and looked at anew a few times.
const ATTEMPTS: u32 = 6;

/// Runs what is typed, as a shell does, with the program where it is installed.
pub(super) fn paste(installation: &Installation, lines: &str) -> Result<()> {
    let path = installation.command_line("").split_whitespace().next().unwrap_or_default().to_owned();
    shell(installation.host(), &lines.replace(&format!("{} ", installation.program()), &format!("{path} ")))
}

pub(super) fn shell(host: &Namespace, script: &str) -> Result<()> {
    let output = host.command("sh").args(["-e", "-c", script]).output().context("sh")?;
    ensure!(
        output.status.success(),
        "{}$ {script}\n{}",
        host.role(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Breaks something until the check names it, does what it says, and expects the check to pass.
pub(super) fn must_be_named(
    server: &Installation,
    name: &str,
    status: &str,
    break_it: impl Fn() -> Result<()>,
) -> Result<Found> {
    let healthy = check(server, name)?;
    ensure!(healthy.status == "pass", "{name} before: {healthy:?}");
    let mut last = None;
    for _ in 0..ATTEMPTS {
        break_it().with_context(|| format!("breaking {name}"))?;
        let found = check(server, name)?;
        if found.status == status {
            let mend = found.mend.as_deref().with_context(|| format!("{name} has no mend: {found:?}"))?;
            // Fails where the program has put it right meanwhile.
            let pasted = paste(server, mend);
            let mended = check(server, name)?;
            ensure!(mended.status == "pass", "{name} after {mend} ({pasted:?}): {mended:?}");
            return Ok(found);
        }
        last = Some(found);
    }
    anyhow::bail!("{name} was not found to {status}: {last:?}")
}
