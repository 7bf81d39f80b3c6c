//! Real minutes without a path or without a client. The simulator has hours of them; these take their time and are asked for:
//! `cargo test -p v6tun-tests --test e2e -- --ignored outages --nocapture`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, first_answers, wait_until};
use v6tun_tests::product::Deployment;

use crate::tools::{must_reach, round_trip};

/// Nothing of the tunnel passes the carrier's gateway.
const OUTAGE: &str = "table inet outage { chain cut {
    type filter hook forward priority 0; udp dport 51820 drop
    udp sport 51820 drop; }
}";

/// The longest that a silent client may take after the path is back.
const BACK: Duration = Duration::from_secs(5);

fn let_pass(time: Duration) -> Result<()> {
    let begin = Instant::now();
    wait_until("the time to pass", time + Duration::from_secs(10), || Ok(begin.elapsed() >= time))
}

fn is_back_after(outage: Duration) -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        must_reach(&lab.site, leasable(0))?;
        lab.carrier.nft(OUTAGE)?;
        let_pass(outage)?;
        lab.carrier.nft("delete table inet outage")?;
        let interval = Duration::from_millis(50);
        let answers = first_answers(&lab.site, &[leasable(0)], Instant::now(), interval, 4 * BACK)?;
        println!("after {outage:?}: reached from outside after {:?}", answers[0]);
        let after = answers[0].context("it never came back")?;
        ensure!(after <= BACK, "{after:?}");
        Ok(())
    })
}

#[test]
#[ignore = "takes a minute"]
fn a_silent_client_is_reached_within_five_seconds_of_a_minutes_outage() -> Result<()> {
    is_back_after(Duration::from_secs(60))
}

#[test]
#[ignore = "takes ten minutes"]
fn a_silent_client_is_reached_within_five_seconds_of_ten_minutes_outage() -> Result<()> {
    is_back_after(Duration::from_secs(600))
}

#[test]
#[ignore = "takes three minutes"]
fn a_client_that_was_stopped_for_three_minutes_gets_its_first_packet_through_in_a_second() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        client.signal(Signal::STOP)?;
        let_pass(Duration::from_secs(181))?;
        client.signal(Signal::CONT)?;
        let round_trip = round_trip(&lab.pc, SITE_IPV6)?;
        println!("the first packet: {round_trip} ms there and back");
        ensure!(round_trip <= 1000.0, "{round_trip} ms");
        Ok(())
    })
}
