//! A path that loses, doubles, reorders, alters and rebinds: what was sent arrives all the same.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_sim::Conditions;
use v6tun_tests::lab::address::{CARRIER_SIDE, VPS_IPV4, leasable};
use v6tun_tests::lab::relay::{Path, Relay};
use v6tun_tests::lab::{Lab, Options, Process};
use v6tun_tests::product::{Deployment, PORT, client_toml};
use v6tun_tests::seed::seed;

use crate::transfer::must_arrive;

/// A client that is found by nothing but its heartbeats is silent for longer.
const BY_A_HEARTBEAT: Duration = Duration::from_secs(5);

/// The longest time between two answers that `ping -D` tells of.
fn longest_gap(ping: &Process) -> Result<Duration> {
    let text = ping.stdout();
    let at = |line: &str| line.strip_prefix('[')?.split(']').next()?.parse::<f64>().ok();
    let answers: Vec<f64> = text.lines().filter_map(at).collect();
    ensure!(answers.len() > 1000, "{text}");
    let longest = answers.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    Ok(Duration::from_secs_f64(longest))
}

/// The server and a client whose datagrams all take that path.
fn with_path(path: Path, act: impl Fn(&Lab, &Deployment) -> Result<()>) -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let door = SocketAddr::from((CARRIER_SIDE, PORT));
        let _relay = Relay::start(&lab.provider, door, SocketAddr::from((VPS_IPV4, PORT)), path)?;
        let config =
            client_toml(&deployment.server).replace(&format!("{VPS_IPV4}:{PORT}"), &door.to_string());
        deployment.pc.write_config(&config)?;
        let _server = deployment.server.up()?;
        let _pc = deployment.pc.start_up()?;
        let up = deployment.pc.run("status --wait 30")?;
        ensure!(up.success(), "{up:?}");
        act(lab, &deployment)
    })
    .with_context(|| format!("{path:?}"))
}

#[test]
fn ten_mebibytes_arrive_over_a_path_that_loses_doubles_reorders_and_alters() -> Result<()> {
    let seed = seed()?;
    let fast = Conditions { delay: Duration::from_millis(2), ..Conditions::default() };
    let paths = [
        Conditions { loss: 0.01, ..fast },
        Conditions { loss: 0.05, ..fast },
        Conditions { duplication: 0.1, ..fast },
        Conditions { jitter: Duration::from_millis(50), jittered: 0.25, ..fast },
        Conditions { corruption: 0.01, ..fast },
    ];
    for conditions in paths {
        let start = std::time::Instant::now();
        with_path(Path { conditions, seed, ..Path::default() }, |lab, _| must_arrive(lab, 10 << 10, seed))?;
        println!("{conditions:?}: {:?}", start.elapsed());
    }
    Ok(())
}

#[test]
fn less_arrives_as_well_where_a_fifth_is_lost_each_way() -> Result<()> {
    let seed = seed()?;
    // The transfer's own patience doubles with each loss: more would take minutes, with or without a tunnel.
    for (loss, kibibytes) in [(0.1, 1024), (0.2, 256)] {
        let start = std::time::Instant::now();
        let conditions = Conditions { delay: Duration::from_millis(2), loss, ..Conditions::default() };
        with_path(Path { conditions, seed, ..Path::default() }, |lab, _| must_arrive(lab, kibibytes, seed))?;
        println!("{conditions:?}: {:?}", start.elapsed());
    }
    Ok(())
}

#[test]
fn a_translator_that_forgets_every_five_seconds_costs_nothing_but_what_was_on_the_way() -> Result<()> {
    let path = Path {
        conditions: Conditions {
            delay: Duration::from_millis(10),
            rate: Some(2_000_000),
            ..Conditions::default()
        },
        rebinding: Some(Duration::from_secs(5)),
        seed: seed()?,
    };
    with_path(path, |lab, deployment| {
        // Some twelve rebindings, of which the first half is watched.
        let watch = lab.site.spawn("ping", &format!("ping -n -D -i 0.01 -c 3000 {}", leasable(0)))?;
        must_arrive(lab, 60 << 10, path.seed)?;
        let gap = longest_gap(&watch)?;
        println!("the longest gap between two answers from inside: {gap:?}");
        ensure!(gap < BY_A_HEARTBEAT, "{gap:?} without an answer");
        let status = deployment.pc.status()?;
        ensure!(status["state"] == "up", "{status}");
        Ok(())
    })
}
