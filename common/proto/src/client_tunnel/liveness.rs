//! Whether the server still answers.
//!
//! A probe is up to four heartbeats, at 0, 0.5, 1 and 1.5 s. It begins
//!
//! - when 1 s has passed since a packet was sent with nothing authenticated received since;
//! - when nothing was received for the keepalive time, which also keeps NAT mappings alive;
//! - when it is asked for.
//!
//! Anything authenticated ends it; if nothing comes in 2 s, the server is lost.

use crate::timer::after;
use std::time::{Duration, Instant};

/// The state of our belief that the server is there.
#[derive(Debug)]
pub(crate) struct Liveness {
    keepalive: Duration,
    heard_at: Instant,
    /// When the first packet was sent of which nothing was heard since.
    unanswered_since: Option<Instant>,
    probe: Option<Probe>,
    /// The heartbeats of the last probe, with the ids that their answers carry.
    sent: [Option<(u32, Instant)>; HEARTBEATS],
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    started: Instant,
    heartbeats: usize,
}

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send a heartbeat, and report it by [`Liveness::heartbeat_sent`].
    Probe,
    /// The server is lost, and has answered nothing since then; the probe is over.
    Lost(Instant),
}

const HEARTBEATS: usize = 4;
const SCHEDULE: [Duration; HEARTBEATS] =
    [Duration::ZERO, Duration::from_millis(500), Duration::from_millis(1000), Duration::from_millis(1500)];
const GIVE_UP: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(1);

impl Liveness {
    pub(crate) fn new(keepalive: Duration, now: Instant) -> Self {
        Self { keepalive, heard_at: now, unanswered_since: None, probe: None, sent: [None; HEARTBEATS] }
    }

    pub(crate) fn set_keepalive(&mut self, keepalive: Duration) {
        self.keepalive = keepalive;
    }

    /// A packet was sent.
    pub(crate) fn packet_sent(&mut self, now: Instant) {
        self.unanswered_since.get_or_insert(now);
    }

    /// Something authenticated was received.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.unanswered_since = None;
        self.probe = None;
    }

    /// Whether a packet or a heartbeat is unanswered.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.unanswered_since.is_some() || self.probe.is_some()
    }

    /// The next heartbeat is due at once.
    pub(crate) fn probe(&mut self, now: Instant) {
        self.probe = Some(Probe { started: now, heartbeats: 0 });
    }

    /// When [`Self::poll`] has something to say.
    pub(crate) fn due(&self) -> Option<Instant> {
        let Some(probe) = self.probe else {
            let silence = self.unanswered_since.map(|since| after(since, PATIENCE));
            let idle = (!self.keepalive.is_zero()).then(|| after(self.heard_at, self.keepalive));
            return [silence, idle].into_iter().flatten().min();
        };
        let wait = SCHEDULE.get(probe.heartbeats).copied().unwrap_or(GIVE_UP);
        Some(after(probe.started, wait))
    }

    /// What is due.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Verdict> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        let probe = self.probe.get_or_insert(Probe { started: now, heartbeats: 0 });
        if probe.heartbeats < HEARTBEATS {
            return Some(Verdict::Probe);
        }
        let since = self.unanswered_since.unwrap_or(probe.started).min(probe.started);
        self.probe = None;
        self.unanswered_since = None;
        // The next idle probe comes a keepalive time later, if nothing asks for one before.
        self.heard_at = now;
        Some(Verdict::Lost(since))
    }

    /// A heartbeat with that id was sent, or could not be, which is no better an answer.
    pub(crate) fn heartbeat_sent(&mut self, id: u32, now: Instant) {
        let Some(probe) = self.probe.as_mut() else { return };
        if probe.heartbeats == 0 {
            self.sent = [None; HEARTBEATS];
        }
        if let Some(place) = self.sent.get_mut(probe.heartbeats) {
            *place = Some((id, now));
        }
        probe.heartbeats = probe.heartbeats.saturating_add(1);
    }

    /// The round-trip time, if the id is of a heartbeat of the last probe; each answers once.
    pub(crate) fn answered(&mut self, id: u32, now: Instant) -> Option<Duration> {
        let place = self.sent.iter_mut().find(|sent| sent.is_some_and(|(sent_id, _)| sent_id == id))?;
        let (_, at) = place.take()?;
        Some(now.saturating_duration_since(at))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need a first moment")]
#[expect(clippy::arithmetic_side_effects, reason = "the sums of tests are small")]
mod tests {
    use super::*;

    const KEEPALIVE: Duration = Duration::from_secs(25);

    /// What is said in the first minute, with the milliseconds at which it is.
    fn said(liveness: &mut Liveness, start: Instant) -> Vec<(u64, Verdict)> {
        let mut said = Vec::new();
        for ms in 0..60_000 {
            let now = start + Duration::from_millis(ms);
            let Some(verdict) = liveness.poll(now) else { continue };
            if verdict == Verdict::Probe {
                liveness.heartbeat_sent(7, now);
            }
            let is_lost = matches!(verdict, Verdict::Lost(_));
            said.push((ms, verdict));
            if is_lost {
                break;
            }
        }
        said
    }

    #[test]
    fn a_server_that_leaves_packets_unanswered_is_lost_three_seconds_later() {
        let start = Instant::now();
        let mut liveness = Liveness::new(KEEPALIVE, start);
        liveness.packet_sent(start);
        let probe = |ms| (ms, Verdict::Probe);
        let expected = [probe(1000), probe(1500), probe(2000), probe(2500), (3000, Verdict::Lost(start))];
        assert_eq!(said(&mut liveness, start), expected);
    }

    #[test]
    fn an_idle_tunnel_is_probed_when_the_keepalive_time_is_over() {
        let start = Instant::now();
        let mut liveness = Liveness::new(KEEPALIVE, start);
        assert_eq!(said(&mut liveness, start)[0], (25_000, Verdict::Probe));
    }

    #[test]
    fn without_a_keepalive_time_an_idle_tunnel_is_left_alone() {
        let start = Instant::now();
        let mut liveness = Liveness::new(Duration::ZERO, start);
        assert_eq!(liveness.due(), None);
        assert_eq!(said(&mut liveness, start), []);
    }

    #[test]
    fn anything_heard_ends_the_probe() {
        let start = Instant::now();
        let mut liveness = Liveness::new(KEEPALIVE, start);
        liveness.probe(start);
        assert_eq!(liveness.poll(start), Some(Verdict::Probe));
        liveness.heartbeat_sent(1, start);
        liveness.heard(start + Duration::from_millis(100));
        assert_eq!(liveness.due(), Some(start + Duration::from_millis(25_100)));
    }

    #[test]
    fn each_heartbeat_gives_its_own_round_trip_time() {
        let start = Instant::now();
        let mut liveness = Liveness::new(KEEPALIVE, start);
        liveness.probe(start);
        for (id, ms) in [(1, 0), (2, 500)] {
            let now = start + Duration::from_millis(ms);
            assert_eq!(liveness.poll(now), Some(Verdict::Probe));
            liveness.heartbeat_sent(id, now);
        }
        let now = start + Duration::from_millis(520);
        assert_eq!(liveness.answered(2, now), Some(Duration::from_millis(20)));
        assert_eq!(liveness.answered(1, now), Some(Duration::from_millis(520)));
        assert_eq!(liveness.answered(1, now), None);
        assert_eq!(liveness.answered(9, now), None);
    }
}
