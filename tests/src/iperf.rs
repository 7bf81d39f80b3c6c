//! `iperf3` between two machines.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::lab::{Namespace, Process, wait_until};

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the pc to the site.
    Up,
    /// From the site to the pc.
    Down,
}

/// What arrived.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// Bytes that the receiving program was handed.
    pub bytes: f64,
    /// The same over the time that it took.
    pub bits_per_second: f64,
}

/// Starts the server on the site.
///
/// # Errors
/// It does not listen.
pub fn serve(site: &Namespace) -> Result<Process> {
    let server = site.spawn("iperf3", "iperf3 --server")?;
    wait_until("iperf3 to listen", Duration::from_secs(5), || {
        Ok(site.output("ss -Htln sport = :5201")?.contains(":5201"))
    })?;
    Ok(server)
}

/// One measurement over the site's address `site`, by CUBIC.
///
/// # Errors
/// What `iperf3` says.
pub fn run(pc: &Namespace, site: &str, direction: Direction, seconds: u32, streams: u32) -> Result<Transfer> {
    start(pc, site, direction, seconds, streams)?.finish()
}

/// Starts a measurement and does not wait for its end.
///
/// # Errors
/// `iperf3` is missing.
pub fn start(
    pc: &Namespace,
    site: &str,
    direction: Direction,
    seconds: u32,
    streams: u32,
) -> Result<Running> {
    let reverse = match direction {
        Direction::Up => "",
        Direction::Down => "--reverse",
    };
    let command = format!(
        "iperf3 --client {site} --congestion cubic --time {seconds} --parallel {streams} --json {reverse}"
    );
    Ok(Running { client: pc.spawn("iperf3", &command)?, seconds })
}

/// A measurement that goes on.
#[derive(Debug)]
pub struct Running {
    client: Process,
    seconds: u32,
}

impl Running {
    /// Waits for its end.
    ///
    /// # Errors
    /// What `iperf3` says.
    pub fn finish(mut self) -> Result<Transfer> {
        self.client.wait(Duration::from_secs(u64::from(self.seconds) + 20))?;
        let answer: Value = serde_json::from_str(&self.client.stdout()).context("iperf3's JSON")?;
        let received = &answer["end"]["sum_received"];
        let figure = |name: &str| received[name].as_f64().with_context(|| answer["error"].to_string());
        Ok(Transfer { bytes: figure("bytes")?, bits_per_second: figure("bits_per_second")? })
    }
}
