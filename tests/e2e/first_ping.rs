//! How long it takes from an invitation to the first answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{CARRIER_SIDE, SITE_IPV6, VPS_IPV4};
use v6tun_tests::lab::relay::{Path, Relay};
use v6tun_tests::lab::{Lab, Options, VpsShape, wait_for};
use v6tun_tests::product::{FreshServer, Installation, PORT};

use crate::options;
use crate::tools::round_trip;

/// Each way of the slow path.
const ONE_WAY: Duration = Duration::from_millis(10);
/// From `up INVITE` to the first ping's answer, through 20 ms there and back.
const FIRST_PING_LIMIT: Duration = Duration::from_secs(1);

#[test]
fn a_fresh_pc_pings_within_a_second_through_a_path_of_20_ms() -> Result<()> {
    Lab::run(&Options { vps_shape: VpsShape::OneOnLink, ..options() }, |lab| {
        let server = FreshServer::up(lab)?;
        let door = SocketAddr::from((CARRIER_SIDE, PORT));
        let relay =
            Relay::start(&lab.provider, door, SocketAddr::from((VPS_IPV4, PORT)), Path::of_delay(ONE_WAY))?;
        let mut times = Vec::new();
        for name in ["first", "second", "third"] {
            let options = format!("{name} --endpoint {}", relay.address());
            let client = server.client(lab, &lab.pc)?;
            times.push(time_to_first_ping(&client, &server.installation.invite(&options)?)?);
        }
        times.sort();
        println!("from `up INVITE` to the first answer, 20 ms there and back: {times:?}");
        ensure!(times[1] <= FIRST_PING_LIMIT, "the median of {times:?} is over {FIRST_PING_LIMIT:?}");
        Ok(())
    })
}

fn time_to_first_ping(client: &Installation, invitation: &str) -> Result<Duration> {
    let start = Instant::now();
    let _process = client.start(&format!("up {invitation}"))?;
    let pc = client.host();
    let first = wait_for("the first answer", Duration::from_secs(15), || {
        let ping = pc.run(&format!("ping -6 -n -q -c 1 -W 0.3 {SITE_IPV6}"))?;
        Ok(ping.success().then(|| start.elapsed()))
    })?;
    let round_trip = round_trip(pc, SITE_IPV6)?;
    ensure!(round_trip >= 20.0, "a round trip of {round_trip} ms does not go through the relay");
    client.down()?;
    Ok(first)
}
