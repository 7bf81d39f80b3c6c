//! `install | uninstall`: a program as a service of systemd.
//!
//! A program has the text of its unit, which is its package's as well. `unit` fits it to this host,
//! `executable` says whether the program lies where a service can start it, `systemctl` does the rest, and
//! [`tell_ready`] is what the service says itself.
//!
//! A unit of ours may be written anew at any time: the one before is kept beside it with the ending `.old`.
//! Settings of the administrator belong in a drop-in, which nothing here touches.

mod executable;
mod installation;
mod notify;
mod systemctl;
mod unit;

use crate::{Folders, GlobalArgs, OrFail, Role};
use anyhow::{Context, Result};
use clap::Args;
use installation::Installation;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use systemctl::Systemctl;
use unit::Unit;
use v6tun_cli::Failure;
use v6tun_host::instance_lock::{InstanceLock, LockError};

pub use notify::tell_ready;
pub use unit::MARK;

/// Options of `install` and `uninstall`.
#[derive(Debug, Args)]
pub struct ServiceArgs {
    /// Work on the system below this folder, as `systemctl --root` does: nothing is started or stopped
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// A program that can be a service.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Which one.
    pub role: Role,
    /// Its unit where all is usual; begins with [`MARK`].
    pub template: &'static str,
    /// Says what an uninstalled service leaves behind, and how to be rid of it.
    pub what_stays: fn(&GlobalArgs) -> String,
}

impl Service {
    /// Writes the unit, enables it and starts it. Done again, it changes only what has changed. A service without a
    /// configuration would fail at every start: `configure` makes sure of one before.
    ///
    /// # Errors
    /// What is in the way; the service is installed where it only does not start.
    pub async fn install(
        &self,
        global: &GlobalArgs,
        args: &ServiceArgs,
        configure: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        self.require_root("install")?;
        let installation = Installation::below(args.root.as_deref(), &self.unit_name())?;
        let program = executable::find(self.role, installation.root())?;
        let unit = self.unit(&program, global)?;
        let systemctl = Systemctl::find(&self.unit_name(), installation.root(), &unit)?;
        if installation.root().is_none() {
            configure().await?;
            refuse_beside_another(&Folders::ensure(self.role, global)?, &systemctl)?;
        }
        let is_new = installation.write(&unit.text())?;
        if is_new {
            self.say(&format!("wrote {}", installation.unit_path().display()));
        }
        if systemctl.is_live() {
            systemctl.run(&["daemon-reload"])?;
        }
        systemctl.run_on_unit(&["enable", "--quiet"])?;
        if systemctl.is_live() {
            return self.start(&systemctl, is_new || systemctl.runs_another_than(&program));
        }
        self.say("enabled: it starts at the next boot, as systemd does not run here now");
        Ok(())
    }

    /// Stops the service, and takes away what [`install`](Self::install) wrote, and only that.
    ///
    /// # Errors
    /// When it cannot be stopped or removed, or this host not be restored.
    pub async fn uninstall(&self, global: &GlobalArgs, args: &ServiceArgs) -> Result<()> {
        self.require_root("uninstall")?;
        let installation = Installation::below(args.root.as_deref(), &self.unit_name())?;
        if !installation.has_unit()? {
            self.say("no service is installed");
            return Ok(());
        }
        let systemctl = Systemctl::find_any(&self.unit_name(), installation.root())?;
        if systemctl.is_live() {
            systemctl.run_on_unit(&["stop"])?;
        }
        systemctl.run_on_unit(&["disable", "--quiet"])?;
        let removed = installation.remove()?;
        if systemctl.is_live() {
            systemctl.run(&["daemon-reload"])?;
            systemctl.forget_failure();
        }
        // What a killed service has left.
        if installation.root().is_none() && Folders::named(self.role, global).journal.exists() {
            crate::down(self.role, global).await?;
        }
        let program = self.role.program;
        match removed {
            true => self.say(&format!("removed {}", installation.unit_path().display())),
            false => self
                .say(&format!("disabled; the unit is the package's: `sudo apt remove {program}` removes it")),
        }
        self.say(&(self.what_stays)(global));
        Ok(())
    }

    /// The unit's text for a program that lies there, with these options.
    ///
    /// # Errors
    /// For a path that the service could not see.
    pub fn unit_text(&self, program: &Path, global: &GlobalArgs) -> Result<String> {
        Ok(self.unit(program, global)?.text())
    }

    /// Whether that process is the service's.
    #[must_use]
    pub fn has_process(&self, id: u32) -> bool {
        let systemctl = Systemctl::find_any(&self.unit_name(), None);
        systemctl.is_ok_and(|systemctl| systemctl.main_process() == Some(id))
    }

    fn unit_name(&self) -> String {
        format!("{}.service", self.role.program)
    }

    fn unit(&self, program: &Path, global: &GlobalArgs) -> Result<Unit> {
        Unit::new(self.template, program, global)
    }

    fn start(&self, systemctl: &Systemctl, is_changed: bool) -> Result<()> {
        let verb = if is_changed { "restart" } else { "start" };
        let program = self.role.program;
        systemctl.run_on_unit(&[verb]).context(
            Failure::failed("the service is installed and does not start; it tries again every 5 seconds")
                .with_hint(format!("`journalctl -e -u {program}` shows why")),
        )?;
        self.say(&format!("runs now and after every boot; `journalctl -u {program}` shows its log"));
        Ok(())
    }

    fn require_root(&self, verb: &str) -> Result<()> {
        if rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let failure = Failure::failed(format!("cannot {verb} a service: this needs root"));
        Err(failure.with_hint(self.role.command(verb)).into())
    }

    fn say(&self, line: &str) {
        // Where standard output is closed nobody waits for it.
        let _unheard = writeln!(io::stdout(), "{}: {line}", self.role.program);
    }
}

/// Two programs cannot have the same folders: one that runs outside of the service is in its way.
fn refuse_beside_another(folders: &Folders, systemctl: &Systemctl) -> Result<()> {
    match InstanceLock::acquire(&folders.state_lock) {
        Ok(_free) => Ok(()),
        Err(LockError::Held { pid, .. }) if pid.is_some() && pid == systemctl.main_process() => Ok(()),
        held => held.map(drop).or_failed(),
    }
}
