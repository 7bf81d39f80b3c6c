//! The program `v6tun`: `genkey`, `genpsk` and `pubkey` on the terms of wg(8).

use std::process::ExitCode;

use clap::Parser as _;

mod args;
mod command;
mod standard_stream;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match command::run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            standard_stream::say(&format!("v6tun: {failure}\n"));
            ExitCode::FAILURE
        }
    }
}
