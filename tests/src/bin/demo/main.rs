//! Shows what v6tun does, in the network of the lab, with the real programs: `tests/demo` builds and runs it.

mod narrator;
mod scenes;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use narrator::Narrator;
use v6tun_tests::lab::System;

/// Shows what v6tun does, in the network of the lab, with the real programs
#[derive(Parser)]
struct Arguments {
    /// Have Windows on the PC, under Wine
    #[arg(long)]
    windows: bool,
}

fn main() -> ExitCode {
    let pc = if Arguments::parse().windows { System::Windows } else { System::Linux };
    let start = Instant::now();
    let mut narrator = Narrator::new();
    match scenes::play(&mut narrator, pc) {
        Ok(()) => {
            narrator.close(start.elapsed());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
