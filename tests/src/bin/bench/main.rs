//! Single-stream TCP through the lab, v6tun beside others on the same path in the same run: `tests/bench`
//! builds and runs it.
//!
//! All machines of the lab share this one's processors, so the figures say what the whole path costs here;
//! the ratios are what carries over. The veths segment and join nothing: real packets of at most 1500 bytes.

mod contender;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use v6tun_tests::iperf::{self, Direction};
use v6tun_tests::lab::Lab;

use contender::{Contender, contenders};

/// Measures single-stream TCP through the lab, v6tun beside boringtun-cli.
#[derive(Debug, Parser)]
struct Args {
    /// The boringtun-cli to compare with
    #[arg(long, value_name = "FILE")]
    boringtun: PathBuf,
    /// How often each is measured in each direction; all take turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: u32,
    /// Seconds that one measurement takes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
}

/// What one contender reached, bits per second, run by run.
#[derive(Default)]
struct Figures {
    up: Vec<f64>,
    down: Vec<f64>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let lab = Lab::build()?;
    iperf::send_real_packets(&lab)?;
    let _server = iperf::serve(&lab)?;
    let contenders = contenders(&lab, &args.boringtun)?;
    let mut figures: Vec<Figures> = contenders.iter().map(|_| Figures::default()).collect();
    for repeat in 1..=args.repeats {
        for (contender, figures) in contenders.iter().zip(&mut figures) {
            eprintln!("{repeat} of {}: {}", args.repeats, contender.name());
            measure(&lab, contender.as_ref(), args.seconds, figures).with_context(|| contender.name())?;
        }
    }
    println!("{} × {} s of TCP (cubic), median (least to most), Gb/s", args.repeats, args.seconds);
    println!("{:<20} {:<24} pc to site", "", "site to pc");
    for (contender, figures) in contenders.iter().zip(&figures) {
        println!("{:<20} {:<24} {}", contender.name(), spread(&figures.down), spread(&figures.up));
    }
    if let [_, ours, rival] = &figures[..] {
        let (down, up) = (median(&ours.down) / median(&rival.down), median(&ours.up) / median(&rival.up));
        let name = "v6tun / boringtun";
        println!("{name:<20} {:<24} × {up:.2}", format!("× {down:.2}"));
    }
    Ok(())
}

fn measure(lab: &Lab, contender: &dyn Contender, seconds: u32, figures: &mut Figures) -> Result<()> {
    let running = contender.start()?;
    let site = contender.site();
    figures.up.push(iperf::run(lab, &site, Direction::Up, seconds)?);
    figures.down.push(iperf::run(lab, &site, Direction::Down, seconds)?);
    running.stop()
}

fn spread(figures: &[f64]) -> String {
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({:.2} to {:.2})", median(figures) / 1e9, least / 1e9, most / 1e9)
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_or_between_the_middle_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2f64.to_bits());
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5f64.to_bits());
    }
}
