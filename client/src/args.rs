//! What the user types.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// Where the configuration stands unless `--config` names another file.
pub(crate) const DEFAULT_CONFIG: &str = "/etc/v6tun/client.toml";

/// Gives this PC a global IPv6 address of a v6tun server, through a WireGuard tunnel.
#[derive(Debug, Parser)]
#[command(name = "v6tun-client", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that stand before or after the subcommand.
#[derive(Debug, ClapArgs)]
pub(crate) struct GlobalArgs {
    /// Configuration file [default: /etc/v6tun/client.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of what must outlive the process: the undo journal
    #[arg(long, global = true, value_name = "DIR", default_value = "/var/lib/v6tun")]
    pub(crate) state_dir: PathBuf,
    /// Folder of the lock and the control socket
    #[arg(long, global = true, value_name = "DIR", default_value = "/run/v6tun")]
    pub(crate) runtime_dir: PathBuf,
    /// Say more; twice: still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say only what is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
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

#[derive(Debug, ClapArgs)]
pub(crate) struct UpArgs {
    /// Print the changes to this PC as commands, and make none
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    /// Print JSON (documented in docs/status.md)
    #[arg(long)]
    pub(crate) json: bool,
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
    fn the_default_in_the_help_is_the_one_that_is_used() {
        let help = Args::command().render_help().to_string();
        assert!(help.contains(&format!("[default: {DEFAULT_CONFIG}]")), "{help}");
    }
}
