//! What an invitation is good for: one PC, once, in time, from the server that made it.

mod clock;
mod ended;
mod secrets;
mod unusable;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use v6tun_tests::lab::wait_until;
use v6tun_tests::product::{FreshServer, Installation};

/// How soon a client must say why its invitation is refused.
const REFUSAL_LIMIT: Duration = Duration::from_secs(3);
/// What every PC looks like to the server: the carrier's gateway.
const SEEN_FROM: &str = "198.51.100.2";

/// Uses an invitation that has ended: the client says `why` in time and ends with 1, and the server logs who came.
fn assert_refused(server: &FreshServer, client: &Installation, invitation: &str, why: &str) -> Result<()> {
    let said_before = server.process.stderr().len();
    let start = Instant::now();
    let refused = client.join(invitation)?;
    let took = start.elapsed();
    ensure!(refused.code == Some(1) && refused.stderr.contains(why), "{why:?} expected: {refused:?}");
    ensure!(refused.stderr.contains("hint: "), "no hint: {refused:?}");
    ensure!(took < REFUSAL_LIMIT, "it took {took:?}");
    wait_until("the server to log who came", Duration::from_secs(2), || {
        let said = server.process.stderr();
        Ok(said.get(said_before..).is_some_and(|new| new.lines().any(|line| is_about(line, why))))
    })
}

fn is_about(line: &str, why: &str) -> bool {
    line.contains(SEEN_FROM) && line.contains(why)
}
