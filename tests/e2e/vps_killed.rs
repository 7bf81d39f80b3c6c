//! A killed server leaves a journal: `down`, or the next `up`, leaves the VPS as it was found.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use v6tun_tests::lab::{Lab, Options, Snapshot};
use v6tun_tests::product::Deployment;
use v6tun_tests::seed::seed;

#[test]
fn the_next_up_after_a_kill_restores_what_the_killed_one_left() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        for _ in 0..2 {
            let mut server = deployment.server.up()?;
            let client = deployment.pc.up()?;
            server.kill()?;
            drop(client);
            deployment.pc.down()?;
        }
        let _server = deployment.server.up()?;
        deployment.server.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

#[test]
fn killed_at_ten_random_moments_of_up_down_restores_the_vps() -> Result<()> {
    let seed = seed()?;
    let mut moments = StdRng::seed_from_u64(seed);
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let start = Instant::now();
        kill_at(&deployment, Moment::AfterLeases(Duration::ZERO))?;
        let whole = start.elapsed();
        deployment.server.down()?;
        for attempt in 0..10 {
            // Two of three lie between the start and the second lease.
            let moment = match attempt % 3 {
                0 => Moment::AfterLeases(moments.random_range(Duration::ZERO..Duration::from_millis(300))),
                _ => Moment::AfterStart(moments.random_range(Duration::ZERO..whole)),
            };
            let leased =
                kill_at(&deployment, moment).with_context(|| format!("attempt {attempt}, seed {seed}"))?;
            println!("attempt {attempt}: killed {moment:?}, {leased} leases stood");
            deployment.server.down()?;
            let difference = before.difference(&Snapshot::take(&lab.vps)?);
            ensure!(difference.is_empty(), "attempt {attempt}, {moment:?}, seed {seed}:\n{difference}");
        }
        Ok(())
    })
}

#[test]
fn killed_while_it_restores_the_vps_down_goes_on() -> Result<()> {
    let seed = seed()?;
    let mut moments = StdRng::seed_from_u64(seed);
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        for attempt in 0..6 {
            let mut server = deployment.server.up()?;
            let clients = (deployment.pc.up()?, deployment.laptop.up()?);
            server.signal(Signal::TERM)?;
            let moment = moments.random_range(Duration::ZERO..Duration::from_millis(12));
            wait_for_moment(Instant::now() + moment);
            // It may have ended already.
            let _ = server.signal(Signal::KILL);
            let code = server.wait(Duration::from_secs(5))?;
            println!("attempt {attempt}: killed {moment:?} after SIGTERM, exit code {code:?}");
            deployment.server.down()?;
            let difference = before.difference(&Snapshot::take(&lab.vps)?);
            ensure!(difference.is_empty(), "attempt {attempt}, {moment:?}, seed {seed}:\n{difference}");
            drop(clients);
            deployment.pc.down()?;
            deployment.laptop.down()?;
        }
        Ok(())
    })
}

/// When the server is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    AfterStart(Duration),
    AfterLeases(Duration),
}

/// A random moment is a moment in time: there is nothing else to wait for.
fn wait_for_moment(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// Starts the server and both clients, kills the server, and returns how many leases stood on the host.
fn kill_at(deployment: &Deployment, moment: Moment) -> Result<usize> {
    let started = Instant::now();
    let mut server = deployment.server.start_up()?;
    let mut clients = [deployment.pc.start_up()?, deployment.laptop.start_up()?];
    match moment {
        Moment::AfterStart(delay) => wait_for_moment(started + delay),
        Moment::AfterLeases(delay) => {
            for client in &mut clients {
                client.wait_for_line("v6tun-client: up", Duration::from_secs(15))?;
            }
            wait_for_moment(Instant::now() + delay);
        }
    }
    server.kill()?;
    let proxies = deployment.server.host().output("ip -6 neighbour show proxy")?;
    drop(clients);
    deployment.pc.down()?;
    deployment.laptop.down()?;
    Ok(proxies.lines().count())
}
