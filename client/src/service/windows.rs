//! A service of Windows.
//!
//! [`manager`] is what the commands do to the service, [`dispatcher`] what the service does when Windows starts it. It
//! writes to a log file, and tells its beginning and its end in the Event Log.

mod dispatcher;
mod manager;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use v6tun_cli::{Failure, error_report};
use v6tun_host::instance_lock::LockError;
use v6tun_host::network::delete_firewall_rules;
use v6tun_host::{paths, privilege, windows_event_log};
use v6tun_wire::{Folders, GlobalArgs, OrFail as _};

use self::manager::{Ended, Installed, Manager};
use super::windows_log_file;
use crate::{
    ROLE,
    args::{self, Args},
    config,
};

pub(crate) use dispatcher::{has_console, tell_ready};

/// What Windows knows the service by.
const NAME: &str = "v6tun";

/// How long the commands wait until the service has started or stopped: longer than a client may take to give the PC
/// back.
const PATIENCE: Duration = Duration::from_secs(65);

/// The commands that are about the service.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make it a Windows service that starts at every boot, and start it if this PC is enrolled
    Install,
    /// Stop the service and remove it; configuration and state stay
    Uninstall,
    /// Start the service
    Start,
    /// Stop the service until the next boot; this PC is then as it was found
    Stop,
    /// What Windows starts
    #[command(hide = true)]
    Service,
}

pub(crate) async fn run(global: &GlobalArgs, command: &Command) -> Result<()> {
    privilege::require_net_admin().or_failed()?;
    match command {
        Command::Install => install(global),
        Command::Uninstall => uninstall(global).await,
        Command::Start => start(&Manager::open()?),
        Command::Stop => stop(),
        // What `serve` has not taken.
        Command::Service => Ok(()),
    }
}

/// The process's end, if it is the service.
pub(crate) fn serve(args: &Args) -> Option<ExitCode> {
    match &args.command {
        args::Command::Service(Command::Service) => Some(dispatcher::run(&args.global)),
        _ => None,
    }
}

/// Says of a client that runs already that it is the service, if it is.
pub(crate) fn name_holder(error: anyhow::Error, _global: &GlobalArgs) -> anyhow::Error {
    match error.downcast_ref::<LockError>() {
        Some(LockError::Held { pid: Some(pid), .. }) if manager::has_process(*pid) => {
            let what = format!("the service runs already (process {pid})");
            let hint = "`v6tun-client status` shows it, `v6tun-client stop` ends it";
            error.context(Failure::failed(what).with_hint(hint))
        }
        _ => error,
    }
}

/// Done again, it leaves a service that is as it should be.
fn install(global: &GlobalArgs) -> Result<()> {
    let manager = Manager::open()?;
    let installed = manager.install(global)?;
    if let Err(error) = windows_event_log::register() {
        tracing::warn!(%error, "the Event Log will not know the service");
    }
    say(match installed {
        Installed::New => "installed: it starts at every boot",
        Installed::Changed => "the service is changed",
        Installed::AsItWas => "the service is as it should be",
    });
    if installed == Installed::Changed {
        manager.stop(PATIENCE)?;
    }
    let path = config::path(global);
    if !path.try_exists().unwrap_or(true) {
        say("this PC is not enrolled: `v6tun-client join INVITATION`, then `v6tun-client start`");
        return Ok(());
    }
    // An installer takes back a service that was not made. One that is there and does not start yet has its reasons.
    if let Err(error) = start(&manager) {
        let _exit_code = error_report::report(ROLE.program, &error);
    }
    Ok(())
}

async fn uninstall(global: &GlobalArgs) -> Result<()> {
    let manager = Manager::open()?;
    manager.stop(PATIENCE)?;
    let was_there = manager.delete()?;
    windows_event_log::unregister()
        .context(Failure::failed("cannot unregister the service from the Event Log"))?;
    // What a killed service has left.
    if Folders::named(ROLE, global).journal.exists() {
        v6tun_wire::down(ROLE, global).await?;
    }
    let rules = delete_firewall_rules().await;
    rules.context(Failure::failed("cannot remove v6tun's rules from Windows' firewall"))?;
    say(if was_there { "the service is removed" } else { "no service is installed" });
    say(&format!("configuration, key and state stay; `{}` removes them", ROLE.command("forget")));
    Ok(())
}

fn start(manager: &Manager) -> Result<()> {
    let before = windows_log_file::len(&log_path());
    match manager.start(PATIENCE)? {
        None => {
            say("the service runs; `v6tun-client status` shows the rest");
            Ok(())
        }
        Some(Ended { exit_code }) => {
            let why = windows_log_file::last_error(&log_path(), before);
            let why = why.unwrap_or_else(|| format!("it has ended with exit code {exit_code}"));
            let hint = format!("the whole log is {}", log_path().display());
            Err(Failure::failed(format!("the service does not run: {why}")).with_hint(hint).into())
        }
    }
}

fn stop() -> Result<()> {
    match Manager::open()?.stop(PATIENCE)? {
        true => say("the service is stopped, and this PC as it was found"),
        false => say("the service does not run"),
    }
    Ok(())
}

fn log_path() -> std::path::PathBuf {
    paths::log_dir().join("client.log")
}

fn say(text: &str) {
    // Where standard output is closed nobody is left to be told.
    let _ = writeln!(io::stdout(), "{}: {text}", ROLE.program);
}
