//! What is asked of `systemctl`.

use super::Unit;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use v6tun_cli::Failure;

/// Is there while systemd runs this machine (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";

/// `systemctl`, on this system or on the one below a folder, for one unit.
#[derive(Debug)]
pub(super) struct Systemctl {
    unit: String,
    root: Option<PathBuf>,
    is_live: bool,
}

impl Systemctl {
    /// Makes sure that there is one.
    ///
    /// # Errors
    /// Without systemd, with the command that any other service manager can run.
    pub(super) fn find(name: &str, root: Option<&Path>, unit: &Unit) -> Result<Self> {
        Self::new(name, root).map_err(|error| {
            let hint =
                format!("have this system's own service manager run, as root: {}", unit.command_line());
            error.context(Failure::failed("cannot make a service").with_hint(hint))
        })
    }

    /// Makes sure that there is one, where a unit stands already.
    pub(super) fn find_any(name: &str, root: Option<&Path>) -> Result<Self> {
        Self::new(name, root).context("cannot remove the service")
    }

    fn new(unit: &str, root: Option<&Path>) -> Result<Self> {
        let systemctl = Self {
            unit: unit.to_owned(),
            root: root.map(Path::to_owned),
            is_live: root.is_none() && Path::new(BOOTED).is_dir(),
        };
        systemctl.output(&["--version"]).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow::anyhow!("this system has no systemd"),
            _ => error.into(),
        })?;
        Ok(systemctl)
    }

    /// Whether systemd runs this machine, so that services can be started and stopped.
    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Does something that must succeed.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<()> {
        let command = || format!("systemctl {}", arguments.join(" "));
        let output = self.output(arguments).with_context(command)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(anyhow::anyhow!(if said.is_empty() { output.status.to_string() } else { said })
            .context(command()))
    }

    /// Does something to the unit that must succeed.
    pub(super) fn run_on_unit(&self, arguments: &[&str]) -> Result<()> {
        self.run(&[arguments, &[&self.unit]].concat())
    }

    /// The service's process, while it runs.
    pub(super) fn main_process(&self) -> Option<u32> {
        let output = self.output(&["show", "--property=MainPID", "--value", &self.unit]).ok()?;
        let id = String::from_utf8_lossy(&output.stdout).trim().parse().ok()?;
        (self.is_live && id != 0).then_some(id)
    }

    /// Whether the service runs another program than the one at this path, be it that path's earlier one.
    pub(super) fn runs_another_than(&self, program: &Path) -> bool {
        let file = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
        let running = self.main_process().and_then(|id| file(Path::new(&format!("/proc/{id}/exe"))));
        running.is_some() && running != file(program)
    }

    /// Takes a unit that has failed and is gone out of systemd's list; one that has not failed is not in it.
    pub(super) fn forget_failure(&self) {
        let _not_in_it = self.output(&["reset-failed", &self.unit]);
    }

    fn output(&self, arguments: &[&str]) -> io::Result<Output> {
        let root = self.root.as_ref().map(|root| {
            let mut option = OsString::from("--root=");
            option.push(root);
            option
        });
        Command::new("systemctl")
            .args(root)
            .args(arguments)
            .stdin(Stdio::null())
            .env("SYSTEMD_COLORS", "0")
            .output()
    }
}
