//! Waiting for something to become true, with a bound.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at: short against anything that a test measures.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Waits until `condition` holds.
///
/// # Errors
/// The condition's own error, or that `what` did not happen within `limit`.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_for(what, limit, || Ok(condition()?.then_some(())))
}

/// Waits until `attempt` yields a value.
///
/// # Errors
/// The attempt's own error, or that `what` did not happen within `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt()? {
            return Ok(value);
        }
        if start.elapsed() >= limit {
            bail!("waited {limit:?} in vain for {what}");
        }
        thread::sleep(POLL_INTERVAL);
    }
}
