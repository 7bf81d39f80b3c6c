//! Whatever ends the server, the VPS is as it was found.

use std::net::Ipv6Addr;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Snapshot};
use v6tun_tests::product::Deployment;

use crate::tools::must_reach;

/// Lends two addresses of `pool`, takes the server down, and compares.
fn lend_and_take_back(lab: &Lab, pool: [Ipv6Addr; 2]) -> Result<()> {
    let deployment = Deployment::install_with_pool(lab, &pool)?;
    let before = Snapshot::take(&lab.vps)?;
    let mut server = deployment.server.up()?;
    let _clients = (deployment.pc.up()?, deployment.laptop.up()?);
    must_reach(&lab.pc, SITE_IPV6)?;
    ensure!(!before.difference(&Snapshot::take(&lab.vps)?).is_empty(), "nothing was changed at all");
    deployment.server.down()?;
    assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
    assert_eq!(server.wait(Duration::from_secs(1))?, Some(0));
    Ok(())
}

#[test]
fn after_down_the_vps_is_as_before() -> Result<()> {
    Lab::run(&Options::default(), |lab| lend_and_take_back(lab, [leasable(0), leasable(1)]))
}

#[test]
fn after_down_the_preferred_source_is_as_before_even_if_it_was_lent() -> Result<()> {
    Lab::run(&Options::default(), |lab| lend_and_take_back(lab, [leasable(15), leasable(7)]))
}

#[test]
fn after_down_a_vps_that_was_a_router_already_is_still_one() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        lab.vps.set_sysctls(&[
            ("net/ipv6/conf/ens3/accept_ra", "2"),
            ("net/ipv6/conf/all/forwarding", "1"),
            ("net/ipv6/conf/all/proxy_ndp", "1"),
        ])?;
        lend_and_take_back(lab, [leasable(0), leasable(1)])
    })
}

#[test]
fn after_down_addresses_that_run_out_still_do() -> Result<()> {
    let options = Options { vps_address_lifetime: Some(Duration::from_secs(3600)), ..Options::default() };
    Lab::run(&options, |lab| lend_and_take_back(lab, [leasable(0), leasable(1)]))
}

#[test]
fn each_signal_that_asks_for_an_end_restores_the_vps() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            let mut server = deployment.server.up()?;
            let client = deployment.pc.up()?;
            server.signal(signal)?;
            assert_eq!(server.wait(Duration::from_secs(10))?, Some(0), "{signal:?}");
            assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "", "{signal:?}");
            drop(client);
            deployment.pc.down()?;
        }
        Ok(())
    })
}

#[test]
fn down_succeeds_when_nothing_ran() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        deployment.server.down()?;
        deployment.pc.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

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
fn a_second_server_is_refused_and_touches_nothing() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let mut server = deployment.server.up()?;
        let during = Snapshot::take(&lab.vps)?;
        let second = deployment.server.run("up")?;
        assert_eq!(second.code, Some(1), "{second:?}");
        assert_eq!(during.difference(&Snapshot::take(&lab.vps)?), "");
        ensure!(server.is_running()?, "the first one ended");
        Ok(())
    })
}

#[test]
fn a_dry_run_touches_nothing() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let finished = deployment.server.run("up --dry-run")?;
        ensure!(finished.success(), "{finished:?}");
        for client in [leasable(0), leasable(1)] {
            let command = format!("ip -6 neigh add proxy {client} dev ens3");
            ensure!(finished.stdout.contains(&command), "{command:?} is missing: {}", finished.stdout);
        }
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

#[test]
fn killed_at_ten_random_moments_of_up_down_restores_the_vps() -> Result<()> {
    let seed = match std::env::var("V6TUN_SEED") {
        Ok(seed) => seed.parse().context("V6TUN_SEED")?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64,
    };
    println!("V6TUN_SEED={seed}");
    let mut moments = StdRng::seed_from_u64(seed);
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        for attempt in 0..10 {
            // Half of the moments lie before or while the two clients get their leases, half after.
            let leases_first = attempt % 2 == 1;
            let moment = Duration::from_millis(moments.random_range(0..if leases_first { 500 } else { 800 }));
            let leased = kill_at(&deployment, moment, leases_first)
                .with_context(|| format!("attempt {attempt}, seed {seed}"))?;
            println!("attempt {attempt}: killed after {moment:?}, {leased} leases stood");
            deployment.server.down()?;
            let difference = before.difference(&Snapshot::take(&lab.vps)?);
            ensure!(difference.is_empty(), "attempt {attempt}, {moment:?}, seed {seed}:\n{difference}");
        }
        Ok(())
    })
}

/// Starts the server and both clients, kills the server `moment` after its start, or after both leases stand,
/// and returns how many leases stood on the host.
fn kill_at(deployment: &Deployment, moment: Duration, leases_first: bool) -> Result<usize> {
    let started = Instant::now();
    let mut server = deployment.server.start_up()?;
    let mut clients = [deployment.pc.start_up()?, deployment.laptop.start_up()?];
    let mut from = started;
    if leases_first {
        for client in &mut clients {
            client.wait_for_line("v6tun-client: up", Duration::from_secs(15))?;
        }
        from = Instant::now();
    }
    // A random moment is a moment in time: nothing else could be waited for.
    thread::sleep((from + moment).saturating_duration_since(Instant::now()));
    server.kill()?;
    let proxies = deployment.server.host().output("ip -6 neighbour show proxy")?;
    drop(clients);
    deployment.pc.down()?;
    deployment.laptop.down()?;
    Ok(proxies.lines().count())
}
