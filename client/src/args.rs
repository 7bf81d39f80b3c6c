//! What the user types.

use clap::{Parser, Subcommand, value_parser};
use v6tun_wire::GlobalArgs;

/// Seconds that `--wait` takes: a day at the most.
const WAIT_SECONDS: std::ops::RangeInclusive<i64> = 1..=86_400;

/// Gives this PC a global IPv6 address of a v6tun server, through a WireGuard tunnel.
#[derive(Debug, Parser)]
#[command(name = "v6tun-client", version, max_term_width = 100)]
#[command(mut_arg("config", |arg| arg.help("Configuration file [default: /etc/v6tun/client.toml]")))]
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
    /// Stop the running client, or clean up after a killed one; return when this PC is restored
    Down,
    /// Show the address, the server and what passed
    Status(StatusArgs),
}

/// Options of `up`.
#[derive(Debug, clap::Args)]
#[group(id = "client-up")]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) common: v6tun_wire::UpArgs,
    /// Give up, with exit code 4, unless connected within that time
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u32).range(WAIT_SECONDS))]
    pub(crate) wait: Option<u32>,
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
