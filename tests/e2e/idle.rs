//! What a server and a client need while nothing happens.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, Options, Process};
use v6tun_tests::product::Deployment;

use crate::tools::must_reach;

/// After this long nothing of the start is left to be done.
const SETTLING: Duration = Duration::from_secs(5);
/// Long enough for a keepalive to fall into it, and for 0.2 % of a core to be more than four clock ticks.
const MEASURED: Duration = Duration::from_secs(30);
const SERVER_KIB: u64 = 12 * 1024;
const CLIENT_KIB: u64 = 10 * 1024;
/// Of one core.
const CPU_SHARE: f64 = 0.002;

#[test]
fn an_idle_tunnel_costs_next_to_nothing() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let server = deployment.server.up()?;
        let client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        pass(SETTLING);
        let before = [cpu_seconds(&server)?, cpu_seconds(&client)?];
        pass(MEASURED);
        let programs = [("server", &server, SERVER_KIB), ("client", &client, CLIENT_KIB)];
        for ((name, process, limit), before) in programs.into_iter().zip(before) {
            let share = (cpu_seconds(process)? - before) / MEASURED.as_secs_f64();
            let rss = resident_kib(process)?;
            eprintln!("{name}: {rss} KiB resident, {:.3} % of a core", share * 100.0);
            ensure!(rss <= limit, "{name}: {rss} KiB resident, {limit} allowed");
            ensure!(share < CPU_SHARE, "{name}: {:.3} % of a core", share * 100.0);
        }
        must_reach(&lab.pc, SITE_IPV6)
    })
}

/// Idleness is the one thing that only time can show.
fn pass(time: Duration) {
    thread::sleep(time);
}

/// User and system time so far (proc(5): fields 14 and 15 of `/proc/PID/stat`, in clock ticks).
fn cpu_seconds(process: &Process) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
    // The name, which may hold anything, ends at the last parenthesis; the field after it is the third.
    let (_, fields) = stat.rsplit_once(')').context("a name in /proc/PID/stat")?;
    let ticks: Vec<f64> =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    ensure!(ticks.len() == 2, "{stat}");
    let per_second = rustix::param::clock_ticks_per_second();
    Ok((ticks[0] + ticks[1]) / per_second as f64)
}

fn resident_kib(process: &Process) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    line.trim().trim_end_matches(" kB").parse().with_context(|| line.to_owned())
}
