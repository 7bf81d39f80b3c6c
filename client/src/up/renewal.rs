//! A tun device that has gone, made anew.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;
use v6tun_host::tun::Tun;

/// The first wait, and the longest: a driver that is being installed takes seconds.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// A device that has lasted so long has not gone for the same reason as the one before.
const LASTING: Duration = Duration::from_secs(60);

/// The waits, each twice as long as the one before while the device does not last.
#[derive(Debug)]
pub(super) struct Renewal {
    next: Duration,
    made: Instant,
}

impl Default for Renewal {
    fn default() -> Self {
        Self { next: SHORTEST, made: Instant::now() }
    }
}

impl Renewal {
    /// Makes the device anew, as often as that takes.
    pub(super) async fn make(&mut self, name: &str) -> Tun {
        loop {
            sleep(self.take(Instant::now())).await;
            match Tun::create(name) {
                Ok(tun) => {
                    self.made = Instant::now();
                    return tun;
                }
                Err(error) => warn!("{error}; trying again in {} s", self.next.as_secs_f32()),
            }
        }
    }

    fn take(&mut self, now: Instant) -> Duration {
        if now.duration_since(self.made) >= LASTING {
            self.next = SHORTEST;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_does_not_last_is_made_ever_less_often() {
        let mut renewal = Renewal::default();
        let made = renewal.made;
        let waits: Vec<_> = (0..9).map(|_| renewal.take(made).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(renewal.take(made + LASTING), SHORTEST);
    }
}
