//! The client's side of the lease: one request at a time, repeated until it is answered.

use crate::limits::LEASE_RETRY;
use crate::timer::{BackOff, after};
use std::time::{Duration, Instant};

/// The lease request that is under way, if any, and the ids of all requests.
///
/// A request is repeated with the same id after 0.25, 0.5, 1, 2 and then every 4 s.
#[derive(Debug)]
pub(crate) struct Requester {
    last_id: u32,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    id: u32,
    since: Instant,
    due: Instant,
    back_off: BackOff,
    silence_told: bool,
}

impl Requester {
    /// Silence for so long is told to the user, once for each request.
    const SILENCE: Duration = LEASE_RETRY;

    pub(crate) fn new() -> Self {
        Self { last_id: 0, pending: None }
    }

    /// An id that no earlier request had.
    pub(crate) fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// Begins a request, due at once, unless one is under way already.
    pub(crate) fn start(&mut self, now: Instant) {
        if self.pending.is_none() {
            let (id, back_off) = (self.next_id(), BackOff::default());
            self.pending = Some(Pending { id, since: now, due: now, back_off, silence_told: false });
        }
    }

    /// The request under way is due at once: there is a new session, which the server may have asked for in
    /// place of one that it has forgotten.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if let Some(pending) = &mut self.pending {
            pending.due = now;
        }
    }

    /// When the request is to be sent next.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.due)
    }

    /// The id to send the request with, if that is due; the next repetition is then set.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<u32> {
        let pending = self.pending.as_mut().filter(|pending| now >= pending.due)?;
        pending.due = after(now, pending.back_off.next());
        Some(pending.id)
    }

    /// Whether the request has gone unanswered for long; said once.
    pub(crate) fn poll_silence(&mut self, now: Instant) -> bool {
        let Some(pending) = self.pending.as_mut() else { return false };
        let is_silent = now.saturating_duration_since(pending.since) >= Self::SILENCE;
        is_silent && !std::mem::replace(&mut pending.silence_told, true)
    }

    /// Whether an answer is to the request under way, which it ends.
    pub(crate) fn accept(&mut self, id: u32) -> bool {
        self.pending.take_if(|pending| pending.id == id).is_some()
    }

    /// Whether a refusal is to the request under way, which goes on, less often.
    pub(crate) fn refused(&mut self, id: u32, now: Instant) -> bool {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.id == id) else { return false };
        pending.due = after(now, LEASE_RETRY);
        pending.silence_told = true;
        true
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need a first moment")]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_repeated_with_its_id_until_it_is_answered() {
        let start = Instant::now();
        let mut requester = Requester::new();
        requester.start(start);
        let mut sent = Vec::new();
        for ms in 0..4000 {
            let now = start + Duration::from_millis(ms);
            sent.extend(requester.poll(now).map(|id| (id, ms)));
        }
        assert_eq!(sent, [(1, 0), (1, 250), (1, 750), (1, 1750), (1, 3750)]);
        assert!(!requester.accept(2));
        assert!(requester.accept(1));
        assert_eq!(requester.due(), None);
        assert!(!requester.accept(1), "the answer to a repetition comes too late");
    }

    #[test]
    fn silence_is_told_once() {
        let start = Instant::now();
        let mut requester = Requester::new();
        requester.start(start);
        assert!(!requester.poll_silence(start + Duration::from_secs(4)));
        assert!(requester.poll_silence(start + Duration::from_secs(5)));
        assert!(!requester.poll_silence(start + Duration::from_secs(50)));
    }

    #[test]
    fn a_refused_request_is_asked_again_after_five_seconds() {
        let start = Instant::now();
        let mut requester = Requester::new();
        requester.start(start);
        assert!(requester.refused(1, start));
        assert_eq!(requester.due(), Some(start + Duration::from_secs(5)));
    }
}
