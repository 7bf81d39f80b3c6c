//! Where a peer is, and when that may change.
//!
//! A peer's address moves on a fresh authenticated data message and on nothing else: not on a
//! handshake (its sender has not proved that it hears us) and not on a cookie reply. Fresh means
//! the greatest counter so far of the newest session, so that a datagram which was sent before
//! the move and arrives after it does not undo it.
//!
//! Where handshakes overlapped, a peer may keep to a session that is not the newest. It is then
//! believed once the other session has been silent for longer than a datagram can be late.
//!
//! Which session is newer shows in eight bits that wrap, and handshakes that nobody completes
//! count too. After so long a silence that the keys of then are dead, any other session is new.

use crate::DropReason;
use crate::limits::REJECT_AFTER;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A peer's address and the newest message that speaks for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Endpoint {
    address: Option<SocketAddr>,
    freshest: Option<Freshest>,
    /// The receiver index of the newest session that was heard.
    newest: Option<u32>,
}

/// The last message that was fresh.
#[derive(Debug, Clone, Copy)]
struct Freshest {
    receiver: u32,
    counter: u64,
    at: Instant,
}

/// No datagram is expected to be overtaken by so much.
const LATEST: Duration = Duration::from_secs(1);

/// What a data message told about its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// It is the first message of a session newer than any before.
    pub(crate) is_new_session: bool,
    /// The address that it moved from; `None` if it did not move, or there was none before.
    pub(crate) moved_from: Option<SocketAddr>,
}

impl Endpoint {
    /// A peer that is expected at `address`.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address: Some(address), ..Self::default() }
    }

    /// Where to send.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Takes an administrator's word for the address.
    pub(crate) fn set(&mut self, address: SocketAddr) {
        self.address = Some(address);
    }

    /// Forgets the sessions, whose receiver indices mean nothing any more, and keeps the address.
    pub(crate) fn forget_sessions(&mut self) {
        self.freshest = None;
        self.newest = None;
    }

    /// Takes note of a data message that is authenticated and not replayed.
    pub(crate) fn learn(
        &mut self,
        source: SocketAddr,
        (receiver, counter): (u32, u64),
        now: Instant,
    ) -> Sighting {
        let is_another_after_all_died = self.freshest.is_some_and(|freshest| {
            receiver != freshest.receiver && now.saturating_duration_since(freshest.at) >= REJECT_AFTER
        });
        let is_new_session =
            is_another_after_all_died || self.newest.is_none_or(|newest| is_newer(receiver, newest));
        let is_fresh = self.freshest.is_none_or(|freshest| {
            let silence = now.saturating_duration_since(freshest.at);
            if receiver == freshest.receiver { counter > freshest.counter } else { silence >= LATEST }
        });
        if !is_new_session && !is_fresh {
            return Sighting { is_new_session: false, moved_from: None };
        }
        if is_new_session {
            self.newest = Some(receiver);
        }
        self.freshest = Some(Freshest { receiver, counter, at: now });
        let before = self.address.replace(source);
        Sighting { is_new_session, moved_from: before.filter(|before| *before != source) }
    }
}

/// Refuses a sender to which nothing can be sent.
pub(crate) fn check_source(source: SocketAddr) -> Result<(), DropReason> {
    let address = source.ip().to_canonical();
    let is_unusable = source.port() == 0 || address.is_unspecified() || address.is_multicast();
    if is_unusable { Err(DropReason::DatagramSourceUnusable) } else { Ok(()) }
}

/// Whether a receiver index was given out after another. The upper 24 bits name the peer's
/// engine; the lower 8 count its handshakes and wrap.
fn is_newer(receiver: u32, than: u32) -> bool {
    if receiver >> 8 != than >> 8 {
        return true;
    }
    let [ours, ..] = receiver.to_le_bytes();
    let [theirs, ..] = than.to_le_bytes();
    (1..=127).contains(&ours.wrapping_sub(theirs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{cafe, home, start};

    #[test]
    fn the_first_message_tells_where_the_peer_is() {
        let mut endpoint = Endpoint::default();
        let sighting = endpoint.learn(home(), (0x101, 0), start());
        assert_eq!(sighting, Sighting { is_new_session: true, moved_from: None });
        assert_eq!(endpoint.address(), Some(home()));
    }

    #[test]
    fn a_greater_counter_moves_the_peer_and_a_late_one_does_not_move_it_back() {
        let now = start();
        let mut endpoint = Endpoint::default();
        endpoint.learn(home(), (0x101, 5), now);
        assert_eq!(endpoint.learn(cafe(), (0x101, 7), now).moved_from, Some(home()));
        assert_eq!(endpoint.learn(home(), (0x101, 6), now + LATEST).moved_from, None);
        assert_eq!(endpoint.address(), Some(cafe()));
    }

    #[test]
    fn late_messages_of_an_older_session_move_nothing_whatever_their_counter() {
        let now = start();
        let mut endpoint = Endpoint::default();
        endpoint.learn(home(), (0x101, 5), now);
        assert!(endpoint.learn(cafe(), (0x102, 0), now).is_new_session);
        endpoint.learn(home(), (0x101, 1000), now + Duration::from_millis(999));
        assert_eq!(endpoint.address(), Some(cafe()));
    }

    #[test]
    fn a_peer_that_keeps_to_an_older_session_is_believed_in_the_end() {
        let now = start();
        let mut endpoint = Endpoint::default();
        endpoint.learn(home(), (0x102, 0), now);
        let sighting = endpoint.learn(cafe(), (0x101, 9), now + LATEST);
        assert_eq!(sighting, Sighting { is_new_session: false, moved_from: Some(home()) });
        assert_eq!(endpoint.learn(home(), (0x101, 10), now + LATEST).moved_from, Some(cafe()));
    }

    #[test]
    fn any_other_session_is_new_once_the_keys_of_the_last_message_are_dead() {
        let now = start();
        let mut endpoint = Endpoint::default();
        endpoint.learn(home(), (0x101, 5), now);
        let mut early = endpoint.clone();
        let after_130_handshakes = 0x101 + 130;
        let just_before = now + REJECT_AFTER.saturating_sub(Duration::from_millis(1));
        assert!(!early.learn(home(), (after_130_handshakes, 0), just_before).is_new_session);
        assert!(endpoint.learn(home(), (after_130_handshakes, 0), now + REJECT_AFTER).is_new_session);
        assert!(!endpoint.learn(home(), (after_130_handshakes, 1), now + REJECT_AFTER).is_new_session);
    }

    #[test]
    fn session_numbers_wrap() {
        assert!(is_newer(0x0100, 0x01ff));
        assert!(!is_newer(0x01ff, 0x0100));
        assert!(!is_newer(0x0103, 0x0103));
    }
}
