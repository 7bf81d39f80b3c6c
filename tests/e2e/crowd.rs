//! A hundred clients of one server.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use v6tun_sim::Conditions;
use v6tun_tests::lab::address::{CARRIER_SIDE, VPS_IPV4, VPS_IPV6};
use v6tun_tests::lab::relay::{Path, Relay};
use v6tun_tests::lab::{Crowd, Lab, Options, VpsShape, first_answers, wait_until};
use v6tun_tests::product::{Deployment, Installation, PORT, client_toml};
use v6tun_tests::seed::seed;

const CLIENTS: u8 = 100;
const POOL: &str = "prefix = \"2001:db8:1301:740::/64\"";
const LIMIT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(50);

/// The median of when silent clients would find out themselves, by their heartbeats.
const BY_THEMSELVES: Duration = Duration::from_secs(12);
/// From the answer of the VPS's own address to that of each lease.
const AFTER_THE_VPS: Duration = Duration::from_secs(2);

#[test]
fn a_hundred_leases_are_reachable_again_soon_after_the_uplink_is() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let deployment = Deployment::install(lab)?;
        let crowd = Crowd::gather(lab, &deployment, CLIENTS, POOL)?;
        let _server = deployment.server.up()?;
        let _clients = crowd.clients.iter().map(Installation::start_up).collect::<Result<Vec<_>>>()?;
        let addresses = crowd.wait_for_addresses(LIMIT)?;
        let at_first = first_answers(&lab.site, &addresses, Instant::now(), INTERVAL, LIMIT)?;
        ensure!(at_first.iter().all(Option::is_some), "{at_first:?}");
        let with_the_vps: Vec<Ipv6Addr> = addresses.iter().copied().chain([VPS_IPV6]).collect();
        // What else goes with a link that is down is its configuration's business.
        let routes = lab.vps.output("ip -4 route show default")?;
        lab.vps.set_sysctls(&[("net/ipv6/conf/ens3/keep_addr_on_down", "1")])?;
        for _ in 0..3 {
            lab.vps.ip("link set ens3 down")?;
            wait_until("the link to be down", LIMIT, || {
                Ok(first_answers(&lab.site, &addresses[..1], Instant::now(), INTERVAL, INTERVAL)? == [None])
            })?;
            let start = Instant::now();
            lab.vps.ip(&format!("link set ens3 up\nroute replace {}", routes.trim()))?;
            let answers: Option<Vec<Duration>> =
                first_answers(&lab.site, &with_the_vps, start, INTERVAL, LIMIT)?.into_iter().collect();
            let answers = answers.context("an answer of each")?;
            let (last, of_the_vps) = (answers.iter().max(), answers[answers.len() - 1]);
            println!("reachable again: the VPS after {of_the_vps:?}, the last lease after {last:?}");
            ensure!(last <= Some(&(of_the_vps + AFTER_THE_VPS)), "{answers:?}");
        }
        Ok(())
    })
}

#[test]
fn a_hundred_idle_clients_are_reached_long_before_they_would_find_a_server_that_was_started_anew()
-> Result<()> {
    reach_after_restarts(None)
}

#[test]
fn they_are_so_over_a_hundred_milliseconds_of_round_trip_and_with_a_tenth_lost_each_way() -> Result<()> {
    let far = Conditions { delay: Duration::from_millis(50), ..Conditions::default() };
    for conditions in [far, Conditions { loss: 0.1, ..far }] {
        reach_after_restarts(Some(Path { conditions, seed: seed()?, ..Path::default() }))?;
    }
    Ok(())
}

/// Kills the server and starts it anew, three times, and expects to reach every client, on whatever path there is.
fn reach_after_restarts(path: Option<Path>) -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let deployment = Deployment::install(lab)?;
        let crowd = Crowd::gather(lab, &deployment, CLIENTS, POOL)?;
        let (door, server) = (SocketAddr::from((CARRIER_SIDE, PORT)), SocketAddr::from((VPS_IPV4, PORT)));
        let _relay = path.map(|path| Relay::start(&lab.provider, door, server, path)).transpose()?;
        if path.is_some() {
            let config = client_toml(&deployment.server).replace(&server.to_string(), &door.to_string());
            crowd.clients.iter().try_for_each(|client| client.write_config(&config))?;
        }
        let mut server = deployment.server.up()?;
        let clients = crowd.clients.iter().map(Installation::start_up).collect::<Result<Vec<_>>>()?;
        let addresses = crowd.wait_for_addresses(LIMIT)?;
        let state = deployment.server.dir().join("state/server-state.toml");
        wait_until("all endpoints to be written down", Duration::from_secs(90), || {
            let text = std::fs::read_to_string(&state).unwrap_or_default();
            Ok(text.matches("[[endpoint]]").count() == usize::from(CLIENTS))
        })?;
        for _ in 0..3 {
            server.kill()?;
            server = deployment.server.up()?;
            let answers: Option<Vec<Duration>> =
                first_answers(&lab.site, &addresses, Instant::now(), INTERVAL, LIMIT)?.into_iter().collect();
            let mut answers = answers.context("an answer of each")?;
            answers.sort_unstable();
            let conditions = path.map(|path| (path.conditions.delay, path.conditions.loss));
            println!(
                "reached after the start: p50 {:?}, p99 {:?} ({conditions:?})",
                answers[49], answers[98]
            );
            ensure!(answers[49] < BY_THEMSELVES / 2, "{answers:?}");
        }
        let lost = clients.iter().filter(|client| client.stdout().contains("lost the server")).count();
        println!("{lost} of {CLIENTS} clients noticed");
        Ok(())
    })
}
