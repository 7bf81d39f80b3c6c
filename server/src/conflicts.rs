//! How often clients were moved because somebody else on the link has their address.
//!
//! A neighbour that claims every address, by mistake or on purpose, must not chase a client through the pool for ever,
//! with a write to the disk at each step.

use std::collections::HashMap;
use std::time::{Duration, Instant};
use v6tun_keys::PublicKey;

/// Moves of one client within [`SPAN`]. RFC 7217 section 7 tries an identifier three times; a crowded link may want more.
const MAX_MOVES: u32 = 8;
/// After so long without a move the count begins anew.
const SPAN: Duration = Duration::from_secs(600);

/// The clients that were moved lately.
#[derive(Debug, Default)]
pub(crate) struct Conflicts {
    moves: HashMap<PublicKey, (u32, Instant)>,
}

impl Conflicts {
    /// Notes a conflict about a client's address. Says whether the client is to be moved once more.
    pub(crate) fn may_move(&mut self, client: PublicKey, now: Instant) -> bool {
        self.moves.retain(|_, (_, last)| now.saturating_duration_since(*last) < SPAN);
        let (moves, last) = self.moves.entry(client).or_insert((0, now));
        if *moves >= MAX_MOVES {
            return false;
        }
        (*moves, *last) = (moves.saturating_add(1), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_moved_eight_times_and_then_left_alone_for_a_while() {
        let (mut conflicts, start) = (Conflicts::default(), Instant::now());
        let (client, other) = (PublicKey::from_bytes([7; 32]), PublicKey::from_bytes([8; 32]));
        let at = |seconds| start + Duration::from_secs(seconds);
        let moves = (0..100).filter(|n| conflicts.may_move(client, at(*n))).count();
        assert_eq!(moves, 8);
        assert!(conflicts.may_move(other, at(100)));
        assert!(!conflicts.may_move(client, at(600)));
        assert!(conflicts.may_move(client, at(607)), "the last move was at 7 s");
        assert!(conflicts.may_move(client, at(1300)));
        assert_eq!(conflicts.moves.len(), 1, "the other is forgotten");
    }
}
