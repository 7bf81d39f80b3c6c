//! `v6tun-server`: lends the VPS's global IPv6 addresses to PCs at the other end of a tunnel.
//!
//! [`args`] is what the administrator types, [`config`] what the file says, [`uplink`] what the host
//! looks like, [`uplink_plan`] what must be true of it, [`event_loop`] the data path's thread, and
//! [`command`] the order in which all of that happens.

mod args;
mod command;
mod config;
mod control;
mod event_loop;
mod folders;
mod lending;
mod status;
mod undo;
mod uplink;
mod uplink_guard;
mod uplink_plan;

use args::{Args, Command};
use clap::Parser;
use std::process::ExitCode;
use v6tun_cli::{error_report, logging};

/// The name that stands in front of every message.
pub(crate) const PROGRAM: &str = "v6tun-server";

fn main() -> ExitCode {
    let args = Args::parse();
    logging::init(args.global.verbose, args.global.quiet);
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error_report::report(PROGRAM, &error),
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    // One thread serves the administrator and the kernel; the packets have a thread of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match &args.command {
            Command::Up(up) => command::up::run(&args.global, up).await,
            Command::Down => command::down::run(&args.global).await,
            Command::Status(status) => command::status::run(&args.global, status).await,
        }
    })
}
