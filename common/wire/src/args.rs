//! The options that both programs have.

use clap::Args;
use std::path::PathBuf;
use v6tun_host::paths;

/// Options that stand before or after the subcommand.
#[derive(Clone, Debug, Args)]
pub struct GlobalArgs {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of what must outlive the process: what is remembered, and the undo journal
    #[arg(long, global = true, value_name = "DIR", default_value_os_t = paths::state_dir())]
    pub state_dir: PathBuf,
    /// Folder of the lock and the control socket
    #[arg(long, global = true, value_name = "DIR", default_value_os_t = paths::runtime_dir())]
    pub runtime_dir: PathBuf,
    /// Log more; twice: still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Log only what is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// Options of `up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Print the changes to this host as commands, and make none
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON (documented in docs/troubleshooting.md)
    #[arg(long)]
    pub json: bool,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON (documented in docs/status.md)
    #[arg(long)]
    pub json: bool,
}
