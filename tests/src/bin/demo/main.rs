//! Shows what v6tun does, in the network of the lab, with the real programs: `tests/demo` builds and runs it.

mod narrator;
mod scenes;

use std::process::ExitCode;
use std::time::Instant;

use narrator::Narrator;

fn main() -> ExitCode {
    let start = Instant::now();
    let mut narrator = Narrator::new();
    match scenes::play(&mut narrator) {
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
