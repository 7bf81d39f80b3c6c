//! What the administrator types.

use crate::command::backup::{BackupArgs, RestoreArgs};
use crate::command::client::ClientCommand;
use crate::command::invitation::InvitationCommand;
use crate::command::invite::InviteArgs;
use crate::endpoint::ServerEndpoint;
use crate::service::ServiceArgs;
use clap::{Parser, Subcommand};
use v6tun_wire::{DoctorArgs, GlobalArgs, StatusArgs};

/// Lends global IPv6 addresses of this VPS to PCs, through a WireGuard-compatible tunnel.
#[derive(Debug, Parser)]
#[command(name = "v6tun-server", version, max_term_width = 100)]
#[command(mut_arg("config", |arg| arg.help("Configuration file [default: /etc/v6tun/server.toml]")))]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve in the foreground until stopped; then leave the host as it was found. Without a configuration, do as init first
    Up(UpArgs),
    /// Stop the running server, or clean up after a killed one; return when the host is restored
    Down,
    /// Show the clients, their addresses and what passed
    Status(StatusArgs),
    /// Look for what is wrong, from the router to the clients, and say what mends it
    Doctor(DoctorArgs),
    /// Print one line to paste on a PC, which makes it a client
    Invite(InviteArgs),
    /// Show or withdraw invitations
    #[command(subcommand)]
    Invitation(InvitationCommand),
    /// Add, show, rename, revoke or move clients, or write their WireGuard configuration
    #[command(subcommand)]
    Client(ClientCommand),
    /// Look at this host and write the configuration that fits it, and the server's key
    Init(InitArgs),
    /// Write configuration, keys and clients into one file
    Backup(BackupArgs),
    /// Take them from such a file, here or on another VPS
    Restore(RestoreArgs),
    /// Make it a systemd service that starts at every boot, and start it
    Install(ServiceArgs),
    /// Stop the service and remove it; configuration and state stay
    Uninstall(ServiceArgs),
}

impl Command {
    /// Whether it is about clients and files, or only looks, and does not change the host.
    pub(crate) fn is_order(&self) -> bool {
        matches!(
            self,
            Self::Invite(_)
                | Self::Invitation(_)
                | Self::Client(_)
                | Self::Backup(_)
                | Self::Restore(_)
                | Self::Doctor(_)
        )
    }
}

/// Options of `init`.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Write without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Where clients find this server [default: this host's IPv4 address, if it is a public one]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) endpoint: Option<ServerEndpoint>,
}

/// Options of `up`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) common: v6tun_wire::UpArgs,
    /// Do not undo everything where the SSH connection that this is typed over shows no sign of life after the changes
    #[arg(long)]
    pub(crate) no_safety: bool,
    /// Where clients find this server [default: as the configuration says]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) endpoint: Option<ServerEndpoint>,
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
