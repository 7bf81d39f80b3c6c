//! v6tun beside others on the same path in the same run: `tests/bench` builds and runs it.
//!
//! All machines of the path share this one's processors, so the figures say what the whole path costs here; the
//! ratios are what carries over. The veths segment and join nothing on their way out: real packets of at most 1500
//! bytes. `docs/performance.md` has the last table and the method.

mod contender;
mod figures;
mod measure;
mod usage;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use rustix::thread::{CpuSet, sched_setaffinity};
use v6tun_tests::lab::straight_line::StraightLine;

use contender::{Rivals, contenders};
use figures::Figures;
use measure::{Test, measure};

/// Measures v6tun beside other tunnels and the path without any, all taking turns.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    rivals: Rivals,
    /// How often each is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: u32,
    /// Seconds that one transfer takes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// What is measured; all of it if not given
    #[arg(long, value_enum, value_delimiter = ',')]
    tests: Vec<Test>,
    /// Keeps everything on one processor
    #[arg(long)]
    one_core: bool,
    /// Writes every single figure to this file
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.one_core {
        let mut first = CpuSet::new();
        first.set(0);
        // Whatever this process starts inherits it.
        sched_setaffinity(None, &first).context("cannot stay on one processor")?;
    }
    let tests = if args.tests.is_empty() { Test::ALL.to_vec() } else { args.tests };
    let line = StraightLine::build()?;
    let contenders = contenders(&line, &args.rivals)?;
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name()).collect();
    let mut figures: Vec<Figures> = contenders.iter().map(|_| Figures::default()).collect();
    for repeat in 1..=args.repeats {
        for (contender, figures) in contenders.iter().zip(&mut figures) {
            eprintln!("{repeat} of {}: {}", args.repeats, contender.name());
            measure(&line, contender.as_ref(), &tests, args.seconds, figures)
                .with_context(|| contender.name().to_owned())?;
        }
        if let Some(file) = &args.raw {
            std::fs::write(file, figures::raw(&names, &figures)).context("writing the figures")?;
        }
    }
    let cores = if args.one_core { "one core" } else { "all cores" };
    println!("{} × {} s, {cores}; in brackets: v6tun's share of it\n", args.repeats, args.seconds);
    print!("{}", figures::table(&names, &figures));
    Ok(())
}
