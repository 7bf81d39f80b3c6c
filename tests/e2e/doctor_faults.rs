//! The lab is broken in every way that a doctor knows, one after the other.

mod client;
mod server;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::{Namespace, wait_for};
use v6tun_tests::product::Installation;

use crate::doctor::{Found, PATIENCE, check};

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

/// Breaks something over and over, as a running program puts right within moments what it can; expects the check to name
/// it, does what that says, and expects it to pass.
pub(super) fn must_be_named(
    installation: &Installation,
    name: &str,
    status: &str,
    script: &str,
) -> Result<Found> {
    let healthy = check(installation, name)?;
    ensure!(healthy.status == "pass", "{name} before: {healthy:?}");
    let breaking = Breaking::start(installation, script)?;
    let found = wait_for(&format!("{name} to {status}"), PATIENCE, || {
        let found = check(installation, name)?;
        Ok((found.status == status).then_some(found))
    })?;
    breaking.stop()?;
    let mend = found.mend.as_deref().with_context(|| format!("{name} has no mend: {found:?}"))?;
    // Fails where the program has put it right meanwhile.
    let pasted = paste(installation, mend);
    let mended = check(installation, name)?;
    ensure!(mended.status == "pass", "{name} after {mend} ({pasted:?}): {mended:?}");
    Ok(found)
}

/// A shell that runs a script again and again, until it finds a file.
struct Breaking {
    shell: Child,
    end: PathBuf,
}

impl Breaking {
    fn start(installation: &Installation, script: &str) -> Result<Self> {
        let end = installation.dir().join("enough");
        let again = format!("while ! [ -e {} ]; do {script}; sleep 0.02; done", end.display());
        let mut command = installation.host().command("sh");
        let shell = command.args(["-c", &again]).stderr(Stdio::null()).spawn().context("sh")?;
        Ok(Self { shell, end })
    }

    /// Returns when nothing is broken any more.
    fn stop(mut self) -> Result<()> {
        fs::write(&self.end, "")?;
        self.shell.wait()?;
        fs::remove_file(&self.end)?;
        Ok(())
    }
}

impl Drop for Breaking {
    fn drop(&mut self) {
        // Failing means that it has ended already.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
