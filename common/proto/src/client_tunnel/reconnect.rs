//! When to try the next handshake.
//!
//! The WireGuard engine repeats an initiation every 5 s and gives up after 90 s; this clock
//! never does. It runs from the moment a handshake is wanted to the moment one is answered. An
//! initiation that the engine sends by itself counts as one of the clock's, so that the two
//! together send no more than the clock alone would.

use crate::timer::{BackOff, after, jittered};
use rand::rngs::StdRng;
use std::time::{Duration, Instant};

/// The clock of handshake tries: stopped, or due.
#[derive(Debug, Default)]
pub(crate) struct Reconnect {
    due: Option<Instant>,
    back_off: BackOff,
}

impl Reconnect {
    /// A try is due at once, and the spaces start from the shortest.
    pub(crate) fn start(&mut self, now: Instant) {
        self.start_after(Duration::ZERO, now);
    }

    /// The first try is due after a while.
    pub(crate) fn start_after(&mut self, wait: Duration, now: Instant) {
        *self = Self { due: Some(after(now, wait)), back_off: BackOff::default() };
    }

    /// A handshake was answered.
    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    /// Whether a handshake is wanted.
    pub(crate) fn is_running(&self) -> bool {
        self.due.is_some()
    }

    /// When the next try is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// An initiation was sent, whoever wanted it.
    pub(crate) fn sent(&mut self, rng: &mut StdRng, now: Instant) {
        self.due = Some(after(now, jittered(self.back_off.next(), rng)));
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need a first moment")]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn tries_go_on_for_ever_about_four_seconds_apart() {
        let start = Instant::now();
        let mut rng = StdRng::seed_from_u64(1);
        let mut clock = Reconnect::default();
        clock.start(start);
        let mut spaces = Vec::new();
        for _ in 0..1000 {
            let now = clock.due().unwrap();
            clock.sent(&mut rng, now);
            spaces.push((clock.due().unwrap() - now).as_millis());
        }
        for (space, step) in spaces.iter().zip([250, 500, 1000, 2000]) {
            assert!((step * 8 / 10..=step * 12 / 10).contains(space), "{space} around {step}");
        }
        assert!(spaces[4..].iter().all(|space| (3200..=4800).contains(space)));
    }
}
