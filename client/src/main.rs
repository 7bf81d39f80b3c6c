//! `v6tun-client`: gives this PC a global IPv6 address of a server, through a tunnel over IPv4.
//!
//! [`args`] is what is typed, [`config`] what the file says, [`endpoint`] where the server is, [`route_plan`] what
//! must be true of this PC, [`event_loop`] the data path's thread, [`status`] what is shown, and [`command`] the
//! order in which all of that happens.

mod args;
mod command;
mod config;
mod endpoint;
mod event_loop;
mod folders;
mod hinted;
mod route_plan;
mod status;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;
use v6tun_cli::{error_report, logging};

/// The name that stands in front of every message.
pub(crate) const PROGRAM: &str = "v6tun-client";

fn main() -> ExitCode {
    let args = Args::parse();
    logging::init(args.global.verbose, args.global.quiet);
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error_report::report(PROGRAM, &error),
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    // One thread serves the user and the kernel; the packets have a thread of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match &args.command {
            Command::Up(up) => command::up::run(&args.global, up).await,
            Command::Down => command::down::run(&args.global).await,
            Command::Status(status) => command::status::run(&args.global, status).await,
        }
    });
    // A name server that does not answer must not hold the exit up.
    runtime.shutdown_background();
    outcome
}
