//! `ping`, `traceroute` and their outputs.

use std::fmt::Display;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::Namespace;

/// What `ping` counted.
#[derive(Debug)]
pub(crate) struct Ping {
    pub(crate) sent: u32,
    pub(crate) received: u32,
    /// Shortest round trip, milliseconds.
    pub(crate) shortest_ms: Option<f64>,
}

/// Pings `to` `count` times, `interval` seconds apart.
pub(crate) fn ping(from: &Namespace, to: impl Display, count: u32, interval: f64) -> Result<Ping> {
    let finished = from.run(&format!("ping -n -q -c {count} -i {interval} -W 2 {to}"))?;
    let text = finished.stdout;
    let counts = text
        .lines()
        .find(|line| line.contains("packets transmitted"))
        .with_context(|| format!("{} cannot ping {to}: {text}{}", from.role(), finished.stderr))?;
    let mut numbers = counts.split_whitespace().filter_map(|word| word.parse().ok());
    let (sent, received) = (numbers.next().context("sent")?, numbers.next().context("received")?);
    let shortest = text
        .lines()
        .find_map(|line| line.strip_prefix("rtt ")?.split(['=', '/']).nth(4)?.trim().parse().ok());
    Ok(Ping { sent, received, shortest_ms: shortest })
}

/// Pings three times and expects three answers.
pub(crate) fn must_reach(from: &Namespace, to: impl Display + Copy) -> Result<()> {
    let ping = ping(from, to, 3, 0.1)?;
    ensure!(ping.received == ping.sent, "{} to {to}: {ping:?}", from.role());
    Ok(())
}

/// The addresses of the hops, as `traceroute` prints them; `*` for one that did not answer.
pub(crate) fn hops(from: &Namespace, to: impl Display) -> Result<Vec<String>> {
    let trace = from.output(&format!("traceroute -n -q 1 -w 2 -m 8 {to}"))?;
    let hop = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    Ok(trace.lines().skip(1).filter_map(hop).collect())
}
