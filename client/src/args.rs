//! What the user types.

use clap::{Parser, Subcommand};
use v6tun_wire::{GlobalArgs, StatusArgs, UpArgs};

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
}
