//! What the user types.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand, value_parser};
use v6tun_cli::exit_code;
use v6tun_wire::GlobalArgs;

use crate::{
    doctor::DoctorArgs,
    enrolment::{Typed, without_invitations},
    service,
};

/// Seconds that `--wait` takes: a day at the most.
const WAIT_SECONDS: std::ops::RangeInclusive<i64> = 1..=86_400;

/// Gives this PC a global IPv6 address of a v6tun server, through a WireGuard tunnel.
#[derive(Debug, Parser)]
#[command(name = "v6tun-client", version, max_term_width = 100)]
#[command(mut_arg("config", |arg| arg.help(config_help())))]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Connect, and stay in the foreground until stopped; then leave this PC as it was found
    Up(UpArgs),
    /// Enrol at a server with an invitation, and do not connect
    Join(JoinArgs),
    /// Stop the running client, or clean up after a killed one; return when this PC is restored
    Down,
    /// Show the address, the server and what passed
    Status(StatusArgs),
    /// Look for what is wrong, from this PC to the turtle, and say what mends it
    Doctor(DoctorArgs),
    /// Remove this PC's key, configuration and memory of the server, after asking
    Forget(ForgetArgs),
    #[command(flatten)]
    Service(service::Command),
}

/// Options of `up`.
#[derive(Debug, clap::Args)]
#[group(id = "client-up")]
pub(crate) struct UpArgs {
    /// Enrol with this invitation first, if need be; `-` reads it from standard input
    #[arg(value_name = "INVITATION")]
    pub(crate) invitation: Option<Typed>,
    #[command(flatten)]
    pub(crate) common: v6tun_wire::UpArgs,
    /// Give up, with exit code 4, unless connected within that time
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u32).range(WAIT_SECONDS))]
    pub(crate) wait: Option<u32>,
}

/// Options of `join`.
#[derive(Debug, clap::Args)]
pub(crate) struct JoinArgs {
    /// What `v6tun-server invite` printed; `-` reads it from standard input
    #[arg(value_name = "INVITATION")]
    pub(crate) invitation: Typed,
}

/// Options of `forget`.
#[derive(Debug, clap::Args)]
pub(crate) struct ForgetArgs {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Options of `status`.
#[derive(Debug, clap::Args)]
#[group(id = "client-status")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) common: v6tun_wire::StatusArgs,
    /// Wait until the client is up; exit code 4 if it is not within that time, 3 if it does not run
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u32).range(WAIT_SECONDS))]
    pub(crate) wait: Option<u32>,
}

fn config_help() -> String {
    format!("Configuration file [default: {}]", v6tun_host::paths::config_dir().join("client.toml").display())
}

/// Reads the command line; or says what is wrong with it, or what was asked for, and gives the exit status.
pub(crate) fn parse() -> Result<Args, ExitCode> {
    Args::try_parse().map_err(|error| {
        let text = error.to_string();
        let redacted = without_invitations(&text);
        // Where nobody listens nobody is to be told.
        let _unheard =
            if redacted == text { error.print() } else { io::stderr().write_all(redacted.as_bytes()) };
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit_code::USAGE))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_subcommand() {
        let before = Args::parse_from(["v6tun-client", "--config", "c", "--state-dir", "/a", "-v", "up"]);
        let after = Args::parse_from(["v6tun-client", "up", "-v", "--state-dir", "/a", "--config", "c"]);
        assert_eq!(before.global.config, after.global.config);
        assert_eq!(before.global.state_dir, after.global.state_dir);
        assert_eq!((before.global.verbose, after.global.verbose), (1, 1));
    }

    #[test]
    fn a_wait_is_a_second_to_a_day() {
        for (seconds, is_taken) in
            [("0", false), ("1", true), ("86400", true), ("86401", false), ("x", false)]
        {
            for command in ["up", "status"] {
                let parsed = Args::try_parse_from(["v6tun-client", command, "--wait", seconds]);
                assert_eq!(parsed.is_ok(), is_taken, "{command} --wait {seconds}");
            }
        }
    }
}
