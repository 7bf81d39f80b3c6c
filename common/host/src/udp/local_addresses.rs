//! From which of this host's addresses each peer is to be answered: the one that it sent to.
//!
//! On a host with several addresses the kernel would choose one by its routes, and a NAT or firewall on the peer's
//! side drops what comes from an address that nothing was sent to.
//!
//! Only the tunnel can tell a peer from a stranger or from a forged source, and what it says of it is whom it
//! answers. So what arrives is only a claim. The address is settled by an answer:
//!
//! ```text
//! nothing settled        any later answer to the claimant settles its claim (a client that roamed)
//! another one settled    only an answer in the same turn replaces it (a handshake by the other address)
//! ```

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
};

use crate::limits::LOCAL_ADDRESSES;

/// The address of this host that each of the latest peers is answered from. Two peers that share a place push each
/// other out, and one that is not remembered is answered as the kernel chooses: a flood of forged sources costs no
/// memory, and pushes out nobody who was answered.
#[derive(Debug)]
pub(super) struct LocalAddresses {
    /// Empty for a socket that leaves the choice to the kernel.
    places: Vec<Place>,
    hasher: RandomState,
    /// Counts what is received and answered together.
    turn: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    settled: Option<Pair>,
    claimed: Option<Claim>,
}

// The sum of `LOCAL_ADDRESSES`.
const _: () = assert!(size_of::<Place>() <= 128);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    peer: SocketAddr,
    local: IpAddr,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    pair: Pair,
    turn: u64,
}

impl LocalAddresses {
    /// Remembers nobody yet, or nobody ever.
    pub(super) fn new(is_used: bool) -> Self {
        let places = if is_used { vec![Place::default(); LOCAL_ADDRESSES] } else { Vec::new() };
        Self { places, hasher: RandomState::new(), turn: 0 }
    }

    /// A datagram that names this peer as its source came to this address.
    pub(super) fn claim(&mut self, peer: SocketAddr, local: IpAddr) {
        // A link-local address says nothing without its link, which the peer's address names already.
        if matches!(local, IpAddr::V6(local) if local.is_unicast_link_local()) {
            return;
        }
        let turn = self.turn;
        if let Some(place) = self.place(peer) {
            // Of two addresses in one turn the answer may be to either: the settled one stays.
            if !place.is_confirmed(peer, turn) {
                place.claimed = Some(Claim { pair: Pair { peer, local }, turn });
            }
        }
    }

    /// Where an answer to this peer leaves from. Settles what the peer has claimed.
    pub(super) fn answer(&mut self, peer: SocketAddr) -> Option<IpAddr> {
        let turn = self.turn;
        let place = self.place(peer)?;
        let settled = place.settled.filter(|settled| settled.peer == peer);
        let claimed = place.claimed.filter(|claim| claim.pair.peer == peer);
        if let Some(claim) = claimed.filter(|claim| settled.is_none() || claim.turn == turn) {
            place.settled = Some(claim.pair);
            return Some(claim.pair.local);
        }
        settled.map(|settled| settled.local)
    }

    /// The answers to what was received are all on their way.
    pub(super) fn end_turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }

    /// The kernel does not send from there: the address is no longer this host's.
    pub(super) fn forget(&mut self, peer: SocketAddr) {
        if let Some(place) = self.place(peer) {
            *place = Place::default();
        }
    }

    fn place(&mut self, peer: SocketAddr) -> Option<&mut Place> {
        let hash = self.hasher.hash_one(peer) as usize;
        let place = hash.checked_rem(self.places.len())?;
        self.places.get_mut(place)
    }
}

impl Place {
    /// Whether the peer was seen in this turn where it is answered from.
    fn is_confirmed(&self, peer: SocketAddr, turn: u64) -> bool {
        let claimed = self.claimed.filter(|claim| claim.turn == turn && claim.pair.peer == peer);
        claimed.is_some_and(|claim| Some(claim.pair) == self.settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> (SocketAddr, IpAddr, IpAddr) {
        let (first, second) = ("198.51.100.1".parse().unwrap(), "198.51.100.2".parse().unwrap());
        ("192.0.2.1:1000".parse().unwrap(), first, second)
    }

    #[test]
    fn a_peer_is_answered_from_where_it_sent_to_last_until_that_is_forgotten() {
        let mut locals = LocalAddresses::new(true);
        let (peer, first, second) = addresses();
        assert_eq!(locals.answer(peer), None);
        locals.claim(peer, first);
        assert_eq!(locals.answer(peer), Some(first));
        locals.end_turn();
        locals.claim(peer, second);
        assert_eq!(locals.answer(peer), Some(second));
        assert_eq!(locals.answer("192.0.2.1:1001".parse().unwrap()), None, "another port is another peer");
        locals.forget(peer);
        assert_eq!(locals.answer(peer), None);
    }

    #[test]
    fn a_forged_source_does_not_redirect_what_is_sent_in_later_turns() {
        let mut locals = LocalAddresses::new(true);
        let (peer, genuine, forged) = addresses();
        locals.claim(peer, genuine);
        assert_eq!(locals.answer(peer), Some(genuine));
        locals.end_turn();
        locals.claim(peer, forged);
        locals.end_turn();
        assert_eq!(locals.answer(peer), Some(genuine));
    }

    #[test]
    fn a_forged_source_beside_the_genuine_one_does_not_redirect_the_answer() {
        let mut locals = LocalAddresses::new(true);
        let (peer, genuine, forged) = addresses();
        locals.claim(peer, genuine);
        assert_eq!(locals.answer(peer), Some(genuine));
        for order in [[genuine, forged], [forged, genuine]] {
            locals.end_turn();
            for local in order {
                locals.claim(peer, local);
            }
            assert_eq!(locals.answer(peer), Some(genuine));
        }
    }

    #[test]
    fn a_flood_of_strangers_pushes_out_nobody_who_was_answered() {
        let mut locals = LocalAddresses::new(true);
        let (peer, genuine, elsewhere) = addresses();
        locals.claim(peer, genuine);
        assert_eq!(locals.answer(peer), Some(genuine));
        for port in 1..=u16::MAX {
            locals.claim(SocketAddr::from(([203, 0, 113, 1], port)), elsewhere);
            locals.end_turn();
        }
        assert_eq!(locals.answer(peer), Some(genuine));
    }

    #[test]
    fn a_peer_that_roamed_in_silence_is_answered_from_where_it_sent_to() {
        let mut locals = LocalAddresses::new(true);
        let (peer, local, _) = addresses();
        locals.claim(peer, local);
        locals.end_turn();
        assert_eq!(locals.answer(peer), Some(local));
    }

    #[test]
    fn a_socket_that_leaves_it_to_the_kernel_remembers_nobody() {
        let mut locals = LocalAddresses::new(false);
        let (peer, local, _) = addresses();
        locals.claim(peer, local);
        assert_eq!(locals.answer(peer), None);
    }
}
