//! `v6tun-client`: gives this PC a global IPv6 address of a server, through a tunnel over IPv4.
//!
//! [`args`] is what is typed, [`enrolment`] how an invitation becomes a configuration, [`config`] what the file says,
//! [`endpoint`] where the server is, [`route_plan`] what must be true of this PC, [`spoken`] and [`status`] what is
//! shown, [`state_file`] what is remembered, [`patience`] how long the user waits, [`interruption`] what a signal ends
//! early, [`up`] the order in which all of that happens, [`service`] makes it stay,
//! [`doctor`] says what is wrong, and [`forget`] is the end of it.

mod args;
mod config;
mod doctor;
mod endpoint;
mod enrolment;
mod forget;
mod inbound;
mod interruption;
mod order;
mod patience;
mod route_plan;
mod service;
mod spoken;
mod standard_input;
mod state_file;
mod status;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use args::{Args, Command};
use v6tun_cli::{error_report, logging};
use v6tun_wire::Role;

/// Which of the two programs this is.
const ROLE: Role = Role::CLIENT;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    if let Some(ended) = service::serve(&args) {
        return ended;
    }
    logging::init(args.global.verbose, args.global.quiet);
    match run(&args) {
        Ok(code) => code,
        Err(error) => error_report::report(ROLE.program, &error),
    }
}

fn run(args: &Args) -> Result<ExitCode> {
    // One thread serves the user and the kernel; the packets have a thread of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match &args.command {
            Command::Doctor(options) => return doctor::run(&args.global, options).await,
            Command::Up(options) => up::run(&args.global, options).await,
            Command::Join(options) => enrolment::join(&args.global, options).await,
            Command::Forget(options) => forget::run(&args.global, options).await,
            Command::Down => v6tun_wire::down(ROLE, &args.global).await,
            Command::Status(options) => status::run(&args.global, options).await,
            Command::Service(command) => service::run(&args.global, command).await,
        }?;
        Ok(ExitCode::SUCCESS)
    });
    // A name server that does not answer must not hold the exit up.
    runtime.shutdown_background();
    outcome
}
