//! Points in time, and the spaces between two tries.

use rand::Rng;
use rand::rngs::StdRng;
use std::time::{Duration, Instant};

/// When a tunnel wants `handle_timeout`, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The moment; it may have passed already.
    pub at: Instant,
    /// The first of the things that are due then.
    pub reason: DeadlineReason,
}

/// What a tunnel waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadlineReason {
    /// The WireGuard engine's own timers: rekey, keepalive, expiry.
    SessionTick,
    /// The next handshake initiation.
    Handshake,
    /// The next repetition of a request: for a lease, or to enrol.
    Request,
    /// A heartbeat to send, to repeat, or to give up on.
    Heartbeat,
    /// A probe for the path's MTU.
    PathMtu,
    /// The end of the wait for a first round-trip time.
    Connected,
    /// The time at which it is said that nothing answers.
    NoAnswer,
}

/// The earliest of several deadlines.
pub(crate) fn earliest(candidates: &[(Option<Instant>, DeadlineReason)]) -> Option<Deadline> {
    candidates
        .iter()
        .filter_map(|&(at, reason)| at.map(|at| Deadline { at, reason }))
        .min_by_key(|deadline| deadline.at)
}

/// `now` and a while; `now` itself where the clock cannot count that far.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now)
}

/// The spaces between tries: 0.25, 0.5, 1, 2 and then ever 4 seconds: with the jitter an outage
/// of any length is over within five.
#[derive(Debug, Clone, Default)]
pub(crate) struct BackOff {
    tries: usize,
}

impl BackOff {
    const STEPS: [Duration; 4] = [
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(2),
    ];
    const LAST: Duration = Duration::from_secs(4);

    /// The space after the try that was just made.
    pub(crate) fn next(&mut self) -> Duration {
        let step = Self::STEPS.get(self.tries).copied().unwrap_or(Self::LAST);
        self.tries = self.tries.saturating_add(1);
        step
    }
}

/// The same time give or take a fifth, so that many who wait do not try as one.
pub(crate) fn jittered(wait: Duration, rng: &mut StdRng) -> Duration {
    wait.mul_f64(rng.random_range(0.8..=1.2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn tries_come_further_and_further_apart_and_then_every_four_seconds() {
        let mut back_off = BackOff::default();
        let spaces: Vec<u128> = (0..8).map(|_| back_off.next().as_millis()).collect();
        assert_eq!(spaces, [250, 500, 1000, 2000, 4000, 4000, 4000, 4000]);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let mut rng = StdRng::seed_from_u64(7);
        for _ in 0..1000 {
            let wait = jittered(Duration::from_secs(1), &mut rng).as_millis();
            assert!((800..=1200).contains(&wait), "{wait}");
        }
    }
}
