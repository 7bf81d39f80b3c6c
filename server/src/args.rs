//! What the administrator types.

use clap::{Args as ClapArgs, Parser, Subcommand};
use std::path::PathBuf;

/// Where the configuration stands unless `--config` names another file.
pub(crate) const DEFAULT_CONFIG: &str = "/etc/v6tun/server.toml";

/// Lends global IPv6 addresses of this VPS to PCs, through a WireGuard-compatible tunnel.
#[derive(Debug, Parser)]
#[command(name = "v6tun-server", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that stand before or after the subcommand.
#[derive(Debug, ClapArgs)]
pub(crate) struct GlobalArgs {
    /// Configuration file [default: /etc/v6tun/server.toml]
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
    /// Serve in the foreground until stopped; then leave the host as it was found
    Up(UpArgs),
    /// Stop the running server, or clean up after a killed one; return when the host is restored
    Down,
    /// Show the clients, their addresses and what passed
    Status(StatusArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UpArgs {
    /// Print the changes to this host as commands, and make none
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
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_subcommand() {
        let before = Args::parse_from(["v6tun-server", "--state-dir", "/a", "--runtime-dir", "/b", "up"]);
        let after = Args::parse_from(["v6tun-server", "up", "--runtime-dir", "/b", "--state-dir", "/a"]);
        assert_eq!(before.global.state_dir, after.global.state_dir);
        assert_eq!(before.global.runtime_dir, after.global.runtime_dir);
    }
}
