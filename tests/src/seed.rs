//! Randomness that can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

/// `V6TUN_SEED`, or a new one; printed, so that a failure can be had again.
///
/// # Errors
/// The variable holds no number.
pub fn seed() -> Result<u64> {
    let seed = match std::env::var("V6TUN_SEED") {
        Ok(seed) => seed.parse().context("V6TUN_SEED")?,
        Err(_) => u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?,
    };
    println!("V6TUN_SEED={seed}");
    Ok(seed)
}
