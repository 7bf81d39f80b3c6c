//! Moments as `status` tells them: seconds since 1970-01-01 UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The moment that was `ago`; `None` before 1970.
#[must_use]
pub fn unix_seconds_ago(ago: Duration) -> Option<u64> {
    let then = SystemTime::now().checked_sub(ago)?;
    Some(then.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// How long ago that moment was; zero for one to come, `None` if the clock is before 1970.
#[must_use]
pub fn since_unix_seconds(unix_seconds: u64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.saturating_sub(Duration::from_secs(unix_seconds)))
}
