//! `v6tun-server`: lends the VPS's global IPv6 addresses to PCs at the other end of a tunnel.
//!
//! [`args`] is what the administrator types and [`command`] what is behind it. [`config`] is what the file says, which
//! [`init`] writes by the [`host_shape`]; [`state`] is what the server remembers, and [`roster`] who is a client by
//! both. [`uplink`] is what the host looks like, [`uplink_plan`] what must be true of it, [`lending`] makes it so, and
//! [`up`] is the order in which all of that happens. [`service`] makes it stay, and [`doctor`] says what is wrong.

mod args;
mod command;
mod config;
mod conflicts;
mod doctor;
mod endpoint;
mod export;
mod host_shape;
mod inbound;
mod init;
mod lending;
mod likely_owner;
mod order;
mod packet_filter;
mod probes;
mod renumbering;
mod roster;
mod service;
mod state;
mod status;
mod tug_of_war;
mod up;
mod uplink;
mod uplink_guard;
mod uplink_plan;

use anyhow::Result;
use args::{Args, Command};
use clap::Parser;
use status::Status;
use std::io::{self, Write};
use std::process::ExitCode;
use v6tun_cli::{error_report, logging};
use v6tun_wire::{GlobalArgs, Role, StatusArgs};

/// Which of the two programs this is.
const ROLE: Role = Role::SERVER;

fn main() -> ExitCode {
    let args = Args::parse();
    // Who gives an order is told what was done, and not what the server logs of it.
    logging::init(
        args.global.verbose,
        args.global.quiet || args.command.is_order() && args.global.verbose == 0,
    );
    match run(&args) {
        Ok(code) => code,
        Err(error) => error_report::report(ROLE.program, &error),
    }
}

fn run(args: &Args) -> Result<ExitCode> {
    // One thread serves the administrator and the kernel; the packets have a thread of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match &args.command {
            Command::Doctor(options) => return doctor::run(&args.global, options).await,
            Command::Up(options) => up::run(&args.global, options).await,
            Command::Down => v6tun_wire::down(ROLE, &args.global).await,
            Command::Status(options) => tell_status(&args.global, options).await,
            Command::Invite(options) => command::invite::run(&args.global, options).await,
            Command::Invitation(what) => command::invitation::run(&args.global, what).await,
            Command::Client(what) => command::client::run(&args.global, what).await,
            Command::Init(options) => init::run(&args.global, options).await,
            Command::Backup(options) => command::backup::back_up(&args.global, options),
            Command::Restore(options) => command::backup::restore(&args.global, options).await,
            Command::Install(options) => service::install(&args.global, options).await,
            Command::Uninstall(options) => service::uninstall(&args.global, options).await,
        }?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn tell_status(global: &GlobalArgs, options: &StatusArgs) -> Result<()> {
    let status: Status = v6tun_wire::status(ROLE, global).await?;
    let text = if options.json { serde_json::to_string_pretty(&status)? + "\n" } else { status.to_text() };
    Ok(io::stdout().write_all(text.as_bytes())?)
}
