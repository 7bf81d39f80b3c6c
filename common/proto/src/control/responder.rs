//! The server's side of control, for one client.

use super::message::{Envelope, LeaseTerms, Message};
use super::refusal::RefusalReason;
use crate::timer::after;
use std::time::{Duration, Instant};

/// What is known about a client's control, for the time of its stay.
#[derive(Debug, Default)]
pub(crate) struct Responder {
    /// It has sent a control message, so it may be sent some.
    speaks: bool,
    /// The lease request that waits for the host.
    waiting: Option<u32>,
    change: Change,
}

/// A client that uses an address which is not its lease is told so, until it agrees.
#[derive(Debug, Default)]
enum Change {
    #[default]
    NotTold,
    Told {
        again_at: Instant,
    },
    Accepted,
}

impl Responder {
    /// The least time between two times of telling a client that its lease is another.
    const TELL_AGAIN: Duration = Duration::from_secs(1);

    pub(crate) fn speaks(&self) -> bool {
        self.speaks
    }

    /// Notes that the client has spoken.
    pub(crate) fn heard(&mut self) {
        self.speaks = true;
    }

    /// Keeps a lease request until the host is ready; a later one takes its place.
    pub(crate) fn keep_waiting(&mut self, request_id: u32) {
        self.waiting = Some(request_id);
    }

    /// The answer to the request that waits, if any: the lease.
    pub(crate) fn grant(&mut self, terms: LeaseTerms) -> Option<Envelope> {
        self.answer(Message::Lease(terms))
    }

    /// The answer to the request that waits, if any: no lease.
    pub(crate) fn refuse(&mut self, reason: RefusalReason) -> Option<Envelope> {
        self.answer(Message::Refused { reason })
    }

    fn answer(&mut self, message: Message) -> Option<Envelope> {
        self.waiting.take().map(|request_id| Envelope { request_id, message })
    }

    /// What to tell a client whose lease is another than the address that it uses, or used last.
    pub(crate) fn wrong_source(&mut self, terms: LeaseTerms, now: Instant) -> Option<Envelope> {
        let is_due = match self.change {
            Change::NotTold => true,
            Change::Told { again_at } => now >= again_at,
            Change::Accepted => false,
        };
        if !self.speaks || !is_due {
            return None;
        }
        self.change = Change::Told { again_at: after(now, Self::TELL_AGAIN) };
        Some(Envelope { request_id: 0, message: Message::LeaseChanged(terms) })
    }

    /// The lease is another from here on: the client has to be told, whatever it agreed to before.
    pub(crate) fn lease_moved(&mut self) {
        self.change = Change::NotTold;
    }

    /// What to tell a client that was told of a change and has not agreed yet.
    pub(crate) fn tell_again(&mut self, terms: LeaseTerms, now: Instant) -> Option<Envelope> {
        let is_told = matches!(self.change, Change::Told { .. });
        if is_told { self.wrong_source(terms, now) } else { None }
    }

    /// Notes that the client agrees; false if it was told nothing.
    #[must_use]
    pub(crate) fn change_accepted(&mut self) -> bool {
        let was_told = !matches!(self.change, Change::NotTold);
        if was_told {
            self.change = Change::Accepted;
        }
        was_told
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need a first moment")]
mod tests {
    use super::*;

    fn terms() -> LeaseTerms {
        let address = "2001:db8::1".parse().unwrap();
        LeaseTerms { address, mtu: 1440, keepalive: 25, server_version: (0, 1, 0) }
    }

    #[test]
    fn a_request_that_waits_is_answered_once_and_the_last_one_counts() {
        let mut responder = Responder::default();
        responder.keep_waiting(1);
        responder.keep_waiting(2);
        assert_eq!(responder.grant(terms()).map(|envelope| envelope.request_id), Some(2));
        assert_eq!(responder.grant(terms()), None);
    }

    #[test]
    fn a_peer_that_does_not_speak_control_is_told_nothing() {
        assert_eq!(Responder::default().wrong_source(terms(), Instant::now()), None);
    }

    #[test]
    fn a_client_with_another_address_is_told_once_a_second_until_it_agrees() {
        let start = Instant::now();
        let mut responder = Responder::default();
        responder.heard();
        assert!(!responder.change_accepted(), "nothing was told yet");
        let told = (0..30)
            .filter(|n| responder.wrong_source(terms(), start + Duration::from_millis(n * 100)).is_some())
            .count();
        assert_eq!(told, 3);
        assert!(responder.change_accepted());
        assert_eq!(responder.wrong_source(terms(), start + Duration::from_secs(60)), None);
    }
}
