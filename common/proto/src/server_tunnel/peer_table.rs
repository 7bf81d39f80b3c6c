//! The peers, found by public key, by receiver index and by leased address.

use super::ClientEntry;
use super::peer::Peer;
use crate::session::{self, Identity};
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::ops::Range;
use v6tun_keys::PublicKey;

/// All peers, in the order of the configuration; a *place* is a peer's position in it.
pub(crate) struct PeerTable {
    peers: Vec<Peer>,
    by_key: HashMap<PublicKey, usize>,
    by_address: HashMap<Ipv6Addr, usize>,
    /// By the upper 24 bits of a receiver index, which one session has to itself.
    by_index: HashMap<u32, usize>,
}

impl PeerTable {
    pub(crate) fn new(clients: Vec<ClientEntry>) -> Self {
        let by_key = clients.iter().enumerate().map(|(place, c)| (c.public_key, place)).collect();
        let by_address = clients.iter().enumerate().map(|(place, c)| (c.address, place)).collect();
        let peers = clients.into_iter().map(Peer::new).collect();
        Self { peers, by_key, by_address, by_index: HashMap::new() }
    }

    pub(crate) fn by_key(&self, key: &PublicKey) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn by_address(&self, address: &Ipv6Addr) -> Option<usize> {
        self.by_address.get(address).copied()
    }

    pub(crate) fn by_receiver(&self, receiver: u32) -> Option<usize> {
        self.by_index.get(&(receiver >> 8)).copied()
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut Peer> {
        self.peers.get_mut(place)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
    }

    pub(crate) fn places(&self) -> Range<usize> {
        0..self.peers.len()
    }

    pub(crate) fn has_sessions(&self) -> bool {
        !self.by_index.is_empty()
    }

    /// Gives the peer a session under a random index of its own, unless it has one. Says whether
    /// it was given one.
    pub(crate) fn open_session(&mut self, place: usize, identity: &Identity, rng: &mut StdRng) -> bool {
        let Some(peer) = self.peers.get_mut(place) else { return false };
        if peer.session.is_some() {
            return false;
        }
        let mut index = rng.random_range(0..1 << 24);
        // Some 16 million indices for at most as many sessions as there are clients.
        while self.by_index.contains_key(&index) {
            index = rng.random_range(0..1 << 24);
        }
        let with = session::Peer {
            public_key: &peer.entry.public_key,
            preshared_key: peer.entry.preshared_key.as_ref(),
            keepalive: None,
        };
        peer.session = Some(identity.session(&with, index));
        self.by_index.insert(index, place);
        true
    }

    /// Drops the peer's keys and its index. Gives the number of packets that waited for keys.
    pub(crate) fn close_session(&mut self, place: usize) -> usize {
        let Some(peer) = self.peers.get_mut(place) else { return 0 };
        peer.endpoint.forget_sessions();
        let Some(mut session) = peer.session.take() else { return 0 };
        self.by_index.remove(&session.index());
        session.abandon_waiting()
    }
}
