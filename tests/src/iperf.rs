//! `iperf3` between the pc and the site.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::lab::{Lab, Process, wait_until};

/// Which way the bytes go.
#[derive(Clone, Copy, Debug)]
pub enum Direction {
    /// From the pc to the site.
    Up,
    /// From the site to the pc.
    Down,
}

/// Lets no veth of the lab carry more than one packet at a time as one.
///
/// # Errors
/// `ethtool` is missing or refuses.
pub fn send_real_packets(lab: &Lab) -> Result<()> {
    let machines = [
        &lab.pc,
        &lab.laptop,
        &lab.home,
        &lab.carrier,
        &lab.provider,
        &lab.segment,
        &lab.vps,
        &lab.neighbour,
        &lab.site,
    ];
    for machine in machines {
        let links: Value = serde_json::from_str(&machine.output("ip -j link show type veth")?)?;
        for link in links.as_array().into_iter().flatten() {
            let name = link["ifname"].as_str().context("a link without a name")?;
            machine.output(&format!("ethtool -K {name} tso off gso off tx-udp-segmentation off"))?;
        }
    }
    Ok(())
}

/// Starts the server on the site.
///
/// # Errors
/// It does not listen.
pub fn serve(lab: &Lab) -> Result<Process> {
    let server = lab.site.spawn("iperf3", "iperf3 --server")?;
    wait_until("iperf3 to listen", Duration::from_secs(5), || {
        Ok(lab.site.output("ss -Htln sport = :5201")?.contains(":5201"))
    })?;
    Ok(server)
}

/// One measurement over the site's address `site`: what arrived, in bits per second.
///
/// # Errors
/// What `iperf3` says.
pub fn run(lab: &Lab, site: &str, direction: Direction, seconds: u32) -> Result<f64> {
    let reverse = match direction {
        Direction::Up => "",
        Direction::Down => "--reverse",
    };
    let command = format!("iperf3 --client {site} --congestion cubic --time {seconds} --json {reverse}");
    let mut client = lab.pc.spawn("iperf3", &command)?;
    client.wait(Duration::from_secs(u64::from(seconds) + 20))?;
    let answer: Value = serde_json::from_str(&client.stdout()).context("iperf3's JSON")?;
    answer["end"]["sum_received"]["bits_per_second"].as_f64().with_context(|| answer["error"].to_string())
}
