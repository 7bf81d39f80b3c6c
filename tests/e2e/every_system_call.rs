//! The server is killed at any of its system calls, or the kernel refuses one of them: `down` restores the VPS, also where it
//! goes on with what another has left.
//!
//! A sample of them, chosen by the seed; `tests/faults` takes more, or all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rustix::process::{Pid, Signal, kill_process};
use v6tun_tests::lab::fault::{Effect, FOR_EVER, Fault};
use v6tun_tests::lab::{Lab, Options, Process, Snapshot, wait_until};
use v6tun_tests::product::Deployment;
use v6tun_tests::seed::seed;

use crate::handover::hand_over;

/// How many of each kind are tried unless `V6TUN_FAULTS` says more, or `all`.
const SAMPLE: usize = 12;
/// A lab keeps the logs of all that ran in it.
const POINTS_OF_A_LAB: usize = 400;
/// How long the lease, or the end, may take under strace.
const PATIENCE: Duration = Duration::from_secs(15);
/// What `down` should not take, whatever has happened.
const WORTH_TELLING: Duration = Duration::from_secs(2);
/// What the server may be refused: what it says to the kernel over netlink, and what it does with files.
const REFUSABLE: [&str; 11] = [
    "sendto",
    "recvfrom",
    "socket",
    "openat",
    "read",
    "write",
    "fsync",
    "fdatasync",
    "renameat",
    "unlink",
    "ftruncate",
];
const REFUSALS: [Effect; 5] =
    [Effect::NotPermitted, Effect::NoBuffers, Effect::Exists, Effect::NoSpace, Effect::Broken];

#[test]
fn killed_at_any_system_call_of_up_lease_and_down_the_vps_is_restored() -> Result<()> {
    try_each(Begin::Anew, kills)
}

#[test]
fn refused_any_call_about_network_or_files_the_vps_is_restored() -> Result<()> {
    try_each(Begin::Anew, refusals)
}

#[test]
fn killed_at_any_system_call_while_it_goes_on_with_what_was_left_the_vps_is_restored() -> Result<()> {
    try_each(Begin::WithWhatWasLeft, kills)
}

#[test]
fn refused_any_call_while_it_goes_on_with_what_was_left_the_vps_is_restored() -> Result<()> {
    try_each(Begin::WithWhatWasLeft, refusals)
}

/// What the server finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    Anew,
    /// A lease and a tun of a server that was restarted.
    WithWhatWasLeft,
}

fn kills(calls: &BTreeMap<String, u32>) -> Vec<Point> {
    let points =
        calls.iter().flat_map(|(name, count)| (1..=*count).map(move |number| (name.clone(), number)));
    points.map(|(name, number)| (name, number, Effect::Kill)).collect()
}

fn refusals(calls: &BTreeMap<String, u32>) -> Vec<Point> {
    let refusable = calls.iter().filter(|(name, _)| REFUSABLE.contains(&name.as_str()));
    let points = refusable.flat_map(|(name, count)| (1..=*count).map(move |number| (name.clone(), number)));
    points.flat_map(|(name, number)| REFUSALS.map(|effect| (name.clone(), number, effect))).collect()
}

type Point = (String, u32, Effect);

/// Counts the calls of a run without faults, and runs with one fault after the other.
fn try_each(begin: Begin, points: impl Fn(&BTreeMap<String, u32>) -> Vec<Point>) -> Result<()> {
    let seed = seed()?;
    let mut calls = BTreeMap::new();
    Lab::run(&Options::default(), |lab| {
        calls = calls_of_a_run(lab, &Deployment::install(lab)?, begin)?;
        Ok(())
    })?;
    let all = points(&calls);
    ensure!(all.len() > 100, "too few calls were seen: {calls:?}");
    let count = match std::env::var("V6TUN_FAULTS").as_deref() {
        Ok("all") => all.len(),
        Ok(number) => number.parse().context("V6TUN_FAULTS")?,
        Err(_) => SAMPLE,
    };
    let mut chosen: Vec<&Point> = all.iter().collect();
    if count < all.len() {
        chosen = all.choose_multiple(&mut StdRng::seed_from_u64(seed), count).collect();
    }
    let mut longest = Duration::ZERO;
    for points in chosen.chunks(POINTS_OF_A_LAB) {
        Lab::run(&Options::default(), |lab| {
            let deployment = Deployment::install(lab)?;
            let before = Snapshot::take(&lab.vps)?;
            for point in points {
                let took = run_with(lab, &deployment, begin, point).with_context(|| format!("{point:?}"))?;
                longest = longest.max(took);
                if took > WORTH_TELLING {
                    println!("{point:?}: `down` took {took:?}");
                }
                let difference = before.difference(&Snapshot::take(&lab.vps)?);
                ensure!(difference.is_empty(), "{point:?}, seed {seed}:\n{difference}");
            }
            Ok(())
        })?;
    }
    println!("{} of {} points; `down` took {longest:?} at the most", chosen.len(), all.len());
    Ok(())
}

/// How often the server's main thread calls what, from the start over one lease to the end.
fn calls_of_a_run(lab: &Lab, deployment: &Deployment, begin: Begin) -> Result<BTreeMap<String, u32>> {
    let log = lab.dir().join("calls");
    let never = ("all".to_owned(), FOR_EVER, Effect::Kill);
    run(lab, deployment, begin, &never, &log)?;
    let text = fs::read_to_string(&log)?;
    let main = text.split_whitespace().next().context("an empty log")?;
    let mut calls = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(main)) {
        let name = line.trim_start().split('(').next().unwrap_or_default();
        // A call that goes on in another line, a signal or an end is none.
        if !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    Ok(calls)
}

fn run_with(lab: &Lab, deployment: &Deployment, begin: Begin, point: &Point) -> Result<Duration> {
    let (name, number, effect) = point;
    let log = lab.dir().join(format!("fault-{name}-{number}-{effect:?}"));
    let took = run(lab, deployment, begin, point, &log)?;
    // Hundreds of them would fill the disk.
    fs::remove_file(&log)?;
    Ok(took)
}

/// Runs the server with a fault until a client has its lease, or it has ended; returns how long `down` took.
fn run(
    lab: &Lab,
    deployment: &Deployment,
    begin: Begin,
    (name, number, effect): &Point,
    log: &Path,
) -> Result<Duration> {
    let fault =
        Fault { operation: name.clone(), number: *number, last: *number, effect: *effect, files: Vec::new() };
    let command = format!("{} {}", fault.before(log), deployment.server.command_line("up"));
    let left = if begin == Begin::WithWhatWasLeft { Some(leave_a_lease(deployment)?) } else { None };
    let mut server = lab.vps.spawn("faulty", &command)?;
    let mut client = left.map_or_else(|| deployment.pc.start_up(), Ok)?;
    let reached = wait_until("a lease, or the server's end", PATIENCE, || {
        let is_up = server.stdout().contains("v6tun-server: up");
        Ok(is_up && client.stdout().contains("v6tun-client: up") || !server.is_running()?)
    });
    if reached.is_err() && hit_the_start_of_a_child(log)? {
        kill_the_traced(log)?;
    } else {
        reached?;
    }
    let start = Instant::now();
    // Where the server itself was refused something `down` says so, and is run once more.
    if !deployment.server.run("down")?.success() {
        deployment.server.down()?;
    }
    let took = start.elapsed();
    client.kill()?;
    deployment.pc.down()?;
    server.wait(PATIENCE)?;
    Ok(took)
}

/// Lends an address, and ends so that the next server goes on. The client, which has it.
fn leave_a_lease(deployment: &Deployment) -> Result<Process> {
    let mut server = deployment.server.up()?;
    let client = deployment.pc.up()?;
    hand_over(&mut server)?;
    Ok(client)
}

/// Where a child is started the standard library hears by a socket of its own whether that went well, and waits for the
/// child for ever where it hears nothing: a fault that the kernel does not know.
fn hit_the_start_of_a_child(log: &Path) -> Result<bool> {
    let text = fs::read_to_string(log)?;
    let injected = text.lines().find(|line| line.contains("(INJECTED)"));
    Ok(injected.is_some_and(|line| line.contains("recvfrom(") && line.contains(", 8, 0, NULL, NULL)")))
}

/// The server itself: without strace it would go on.
fn kill_the_traced(log: &Path) -> Result<()> {
    let text = fs::read_to_string(log)?;
    let id: i32 = text.split_whitespace().next().context("an empty log")?.parse()?;
    Ok(kill_process(Pid::from_raw(id).context("a process id")?, Signal::KILL)?)
}
