//! A service of systemd.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use v6tun_cli::Failure;
use v6tun_host::instance_lock::LockError;
use v6tun_wire::{
    GlobalArgs,
    systemd::{self, Service, ServiceArgs},
};

use crate::{
    ROLE,
    args::Args,
    config::{self, Config},
};

const SERVICE: Service = Service { role: ROLE, template: include_str!("v6tun-client.service"), what_stays };

/// The commands that are about the service.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make it a systemd service that starts at every boot, and start it
    Install(ServiceArgs),
    /// Stop the service and remove it; configuration and state stay
    Uninstall(ServiceArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: &Command) -> Result<()> {
    match command {
        Command::Install(args) => SERVICE.install(global, args, async || require_config(global)).await,
        Command::Uninstall(args) => SERVICE.uninstall(global, args).await,
    }
}

/// systemd starts `up` as anybody does: no command is its own.
pub(crate) fn serve(_args: &Args) -> Option<ExitCode> {
    None
}

/// Whether what is said is read: systemd does, where nobody else does.
pub(crate) fn has_console() -> bool {
    true
}

/// Says that the client has all that it needs of this PC. It may be long until the server answers.
pub(crate) fn tell_ready() {
    systemd::tell_ready(ROLE);
}

/// Says of a client that runs already that it is the service, if it is.
pub(crate) fn name_holder(error: anyhow::Error, _global: &GlobalArgs) -> anyhow::Error {
    match error.downcast_ref::<LockError>() {
        Some(LockError::Held { pid: Some(pid), .. }) if SERVICE.has_process(*pid) => {
            let what = format!("the service runs already (process {pid})");
            let hint = "`v6tun-client status` shows it, `sudo systemctl stop v6tun-client` ends it";
            error.context(Failure::failed(what).with_hint(hint))
        }
        _ => error,
    }
}

/// The service is never asked for an invitation.
fn require_config(global: &GlobalArgs) -> Result<()> {
    let path = config::path(global);
    // Where even that may not be known, reading it will say why.
    if !path.try_exists().unwrap_or(true) {
        let failure = Failure::usage(format!("this PC is not enrolled: there is no {}", path.display()));
        let hint =
            format!("first {}; `v6tun-server invite NAME` prints one", ROLE.command("join INVITATION"));
        return Err(failure.with_hint(hint).into());
    }
    Config::load(&path).map(drop)
}

fn what_stays(_global: &GlobalArgs) -> String {
    format!("configuration, key and state stay; {} removes them", ROLE.command("forget"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    fn global(arguments: &[&str]) -> GlobalArgs {
        Args::parse_from([&["v6tun-client", "install"], arguments].concat()).global
    }

    #[test]
    fn where_all_is_usual_the_unit_is_the_template() {
        let text = SERVICE.unit_text(Path::new("/usr/bin/v6tun-client"), &global(&[])).unwrap();
        assert_eq!(text, SERVICE.template);
        assert!(text.starts_with(systemd::MARK));
    }

    #[test]
    fn options_stand_in_the_unit() {
        let options = ["--config", "/etc/two/client.toml", "--state-dir", "/var/lib/two"];
        let text = SERVICE.unit_text(Path::new("/opt/v6tun-client"), &global(&options)).unwrap();
        let command =
            "ExecStart=/opt/v6tun-client up --config /etc/two/client.toml --state-dir /var/lib/two\n";
        assert!(text.contains(command), "{text}");
    }

    #[test]
    fn a_pc_that_is_not_enrolled_is_told_to_join() {
        let error = require_config(&global(&["--config", "/nonexistent/client.toml"])).unwrap_err();
        let failure = error.downcast_ref::<Failure>().unwrap();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.hint().unwrap().contains("v6tun-client join INVITATION"));
    }
}
