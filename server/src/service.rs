//! `v6tun-server install | uninstall`: the server as a service of systemd.
//!
//! The unit, `service/v6tun-server.service`, is the package's as well. [`unit`](mod@unit) fits it to this host, [`executable`]
//! says whether this program lies where a service can start it, [`systemctl`] does the rest.
//!
//! A unit of ours may be written anew at any time: the one before is kept beside it with the ending `.old`.
//! Settings of the administrator belong in a drop-in, which nothing here touches.

mod executable;
mod installation;
mod notify;
mod systemctl;
mod unit;

use crate::{ROLE, init};
use anyhow::{Context, Result};
use clap::Args;
use installation::Installation;
use std::io::{self, Write};
use std::path::PathBuf;
use systemctl::Systemctl;
use unit::Unit;
use v6tun_cli::Failure;
use v6tun_host::instance_lock::{InstanceLock, LockError};
use v6tun_wire::{Folders, GlobalArgs, OrFail};

pub(crate) use notify::tell_ready;

/// The unit's name.
const UNIT: &str = "v6tun-server.service";

/// Options of `install` and `uninstall`.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Work on the system below this folder, as `systemctl --root` does: nothing is started or stopped
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// Writes the unit, enables it and starts it. Done again, it changes only what has changed.
pub(crate) async fn install(global: &GlobalArgs, args: &ServiceArgs) -> Result<()> {
    require_root("install")?;
    let installation = Installation::below(args.root.as_deref())?;
    let program = executable::find(installation.root())?;
    let unit = Unit::new(&program, global)?;
    let systemctl = Systemctl::find(installation.root(), &unit)?;
    if installation.root().is_none() {
        configure(global).await?;
        refuse_beside_another(&Folders::ensure(ROLE, global)?, &systemctl)?;
    }
    let is_new = installation.write(&unit.text())?;
    if is_new {
        say(&format!("wrote {}", installation.unit_path().display()));
    }
    if systemctl.is_live() {
        systemctl.run(&["daemon-reload"])?;
    }
    systemctl.run(&["enable", "--quiet", UNIT])?;
    if systemctl.is_live() {
        return start(&systemctl, is_new || systemctl.runs_another_than(&program));
    }
    say("enabled: it starts at the next boot, as systemd does not run here now");
    Ok(())
}

/// Stops the service, and takes away what [`install`] wrote, and only that.
pub(crate) async fn uninstall(global: &GlobalArgs, args: &ServiceArgs) -> Result<()> {
    require_root("uninstall")?;
    let installation = Installation::below(args.root.as_deref())?;
    if !installation.has_unit()? {
        say("no service is installed");
        return Ok(());
    }
    let systemctl = Systemctl::find_any(installation.root())?;
    if systemctl.is_live() {
        systemctl.run(&["stop", UNIT])?;
    }
    systemctl.run(&["disable", "--quiet", UNIT])?;
    let removed = installation.remove()?;
    if systemctl.is_live() {
        systemctl.run(&["daemon-reload"])?;
        systemctl.forget_failure();
    }
    // What a killed service has left.
    if installation.root().is_none() && Folders::named(ROLE, global).journal.exists() {
        v6tun_wire::down(ROLE, global).await?;
    }
    match removed {
        true => say(&format!("removed {}", installation.unit_path().display())),
        false => say("disabled; the unit is the package's: `sudo apt remove v6tun-server` removes it"),
    }
    say(&what_stays(global));
    Ok(())
}

/// A service without a configuration would fail at every start: makes sure that there is one, as `up` does.
async fn configure(global: &GlobalArgs) -> Result<()> {
    init::ensure_config(global, None, false).await.map(drop)
}

/// Two servers cannot have the same folders: one that runs outside of the service is in its way.
fn refuse_beside_another(folders: &Folders, systemctl: &Systemctl) -> Result<()> {
    match InstanceLock::acquire(&folders.state_lock) {
        Ok(_free) => Ok(()),
        Err(LockError::Held { pid, .. }) if pid.is_some() && pid == systemctl.main_process() => Ok(()),
        held => held.map(drop).or_failed(),
    }
}

fn start(systemctl: &Systemctl, is_changed: bool) -> Result<()> {
    let verb = if is_changed { "restart" } else { "start" };
    systemctl.run(&[verb, UNIT]).context(
        Failure::failed("the service is installed and does not start; it tries again every 5 seconds")
            .with_hint(format!("`journalctl -e -u {}` shows why", ROLE.program)),
    )?;
    say(&format!("runs now and after every boot; `journalctl -u {}` shows its log", ROLE.program));
    Ok(())
}

fn what_stays(global: &GlobalArgs) -> String {
    let config = global.config.as_deref().and_then(|file| file.parent());
    let config = config.map_or_else(|| "/etc/v6tun".to_owned(), |folder| folder.display().to_string());
    let state = global.state_dir.display();
    format!(
        "{config} (configuration, key) and {state} (state) stay; `sudo rm -r {config} {state}` removes them"
    )
}

fn require_root(verb: &str) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let failure = Failure::failed(format!("cannot {verb} a service: this needs root"));
    Err(failure.with_hint(format!("`sudo {} {verb}`", ROLE.program)).into())
}

fn say(line: &str) {
    // Where standard output is closed nobody waits for it.
    let _unheard = writeln!(io::stdout(), "{}: {line}", ROLE.program);
}
