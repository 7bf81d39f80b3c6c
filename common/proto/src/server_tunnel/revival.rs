//! Calling clients back: a server that was started anew begins handshakes itself, with whoever was there before.
//!
//! A client that has nothing to say would notice after its keepalive time at the earliest, and nobody could reach it
//! until then. So the server knows from before where each client was. It begins at once, some at a time, repeats at
//! growing distances with a jitter, and stops when anything authenticated comes. After three minutes no router on the way
//! lets it in any more, unless the client itself has spoken; then only the client can begin.
//!
//! A data message that no session here fits, from where a client was, tells that it still has keys of the former
//! server: it is called back at once.

use super::ServerTunnel;
use crate::ServerEvent;
use crate::batch::DatagramBatch;
use crate::timer::{BackOff, after, jittered};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Handshakes that are begun at one time.
const AT_ONCE: usize = 16;
/// The time between two such times: 1600 handshakes a second, at 136 µs each a fifth of a core.
const PACE: Duration = Duration::from_millis(10);
/// How long a client is called: longer than most translators of addresses keep a mapping (RFC 4787, REQ-5, asks for
/// two minutes at the least).
const CALLED_FOR: Duration = Duration::from_secs(180);
/// The least time between two calls that a client's data messages cause.
const PROVOKED_APART: Duration = Duration::from_secs(5);

/// A client that is called back.
#[derive(Debug)]
pub(crate) struct Revival {
    due: Instant,
    until: Instant,
    begun: Instant,
    back_off: BackOff,
    /// The last call has no answer yet.
    awaits_answer: bool,
}

impl Revival {
    fn begin(now: Instant) -> Self {
        Self {
            due: now,
            until: after(now, CALLED_FOR),
            begun: now,
            back_off: BackOff::default(),
            awaits_answer: false,
        }
    }

    pub(super) fn awaits_answer(&self) -> bool {
        self.awaits_answer
    }

    /// An answer has come, right or wrong: whoever sends more is one source among others.
    pub(super) fn take_answer(&mut self) {
        self.awaits_answer = false;
    }
}

impl ServerTunnel {
    /// Begins to call back everybody of whom it is known where they were.
    pub(super) fn call_all_back(&mut self, now: Instant) {
        for place in self.peers.places() {
            if let Some(peer) = self.peers.get_mut(place).filter(|peer| peer.remembered.is_some()) {
                peer.revival = Some(Revival::begin(now));
                self.next_call = Some(now);
                self.record.tell(ServerEvent::ClientCalled { client: peer.entry.public_key });
            }
        }
    }

    /// A data message that fits no session has come from there.
    pub(super) fn heard_from_former(&mut self, source: SocketAddr, now: Instant) {
        let Some(place) = self.former.get(&source).and_then(|client| self.peers.by_key(client)) else {
            return;
        };
        let is_early = |revival: &Revival| now.saturating_duration_since(revival.begun) < PROVOKED_APART;
        let Some(peer) = self.peers.get_mut(place) else { return };
        let is_called = peer.revival.as_ref().is_some_and(is_early);
        if peer.remembered == Some(source) && !peer.is_alive() && !is_called {
            peer.revival = Some(Revival::begin(now));
            self.next_call = Some(now);
            self.record.tell(ServerEvent::ClientCalled { client: peer.entry.public_key });
        }
    }

    /// Keeps in mind where a client was, or was not. Datagrams of nobody are many: they are looked up and not compared.
    pub(super) fn note_whereabouts(&mut self, place: usize, before: Option<SocketAddr>) {
        let Some(peer) = self.peers.get_mut(place).filter(|peer| peer.remembered != before) else { return };
        if let Some(before) = before {
            self.former.remove(&before);
        }
        if let Some(now) = peer.remembered {
            self.former.insert(now, peer.entry.public_key);
        }
    }

    /// Begins the handshakes that are due, some at a time.
    pub(super) fn call_back(&mut self, to_network: &mut DatagramBatch, now: Instant) {
        if self.next_call.is_none_or(|at| now < at) {
            return;
        }
        let mut called: usize = 0;
        let mut next: Option<Instant> = None;
        for place in self.peers.places() {
            let Some(due) = self.due_call(place, now) else { continue };
            let due = match due <= now && called < AT_ONCE {
                true => {
                    called = called.saturating_add(1);
                    self.call(place, to_network, now)
                }
                false => due.max(after(now, PACE)),
            };
            next = Some(next.map_or(due, |next| next.min(due)));
        }
        self.next_call = next;
    }

    /// When the client is called next, if it still is to be.
    fn due_call(&mut self, place: usize, now: Instant) -> Option<Instant> {
        let peer = self.peers.get_mut(place)?;
        peer.revival.take_if(|revival| now >= revival.until);
        Some(peer.revival.as_ref()?.due)
    }

    /// Begins a handshake, and gives the time of the next.
    fn call(&mut self, place: usize, to_network: &mut DatagramBatch, now: Instant) -> Instant {
        let index = self.peers.free_index(&mut self.rng, |index| self.visitors.is_taken(index));
        self.peers.open_session(place, &self.identity, index);
        let wait = self.peers.get_mut(place).and_then(|peer| Some(peer.revival.as_mut()?.back_off.next()));
        let next = after(now, jittered(wait.unwrap_or(CALLED_FOR), &mut self.rng));
        let Some(peer) = self.peers.get_mut(place) else { return next };
        if let Some(revival) = &mut peer.revival {
            revival.due = next;
            revival.awaits_answer = true;
        }
        let begun = peer.begin_handshake(to_network);
        self.wake_sessions(now);
        if let Err(error) = begun {
            let reason = self.failed(place, error);
            self.record.count(reason);
        }
        next
    }
}
