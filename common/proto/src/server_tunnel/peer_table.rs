//! The peers, found by public key, by receiver index and by leased address.

use super::ClientEntry;
use super::peer::Peer;
use super::provisional::{MAX_PROVISIONAL, Provisional};
use crate::session::Identity;
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::ops::Range;
use v6tun_keys::PublicKey;

/// All peers; a *place* is a peer's position, which it keeps. A place that was given up is given out again.
pub(crate) struct PeerTable {
    peers: Vec<Option<Peer>>,
    /// The places that were given up.
    free: Vec<usize>,
    by_key: HashMap<PublicKey, usize>,
    by_address: HashMap<Ipv6Addr, usize>,
    /// By the upper 24 bits of a receiver index, which one session has to itself.
    by_index: HashMap<u32, usize>,
}

impl PeerTable {
    pub(crate) fn new(clients: Vec<ClientEntry>) -> Self {
        let mut table = Self {
            peers: Vec::with_capacity(clients.len()),
            free: Vec::new(),
            by_key: HashMap::new(),
            by_address: HashMap::new(),
            by_index: HashMap::new(),
        };
        for client in clients {
            table.insert(client);
        }
        table
    }

    /// Takes a client in, unless its key or its address is somebody's already. Says whether it did.
    pub(crate) fn insert(&mut self, client: ClientEntry) -> bool {
        if self.by_key.contains_key(&client.public_key) || self.by_address.contains_key(&client.address) {
            return false;
        }
        let place = self.free.pop().unwrap_or(self.peers.len());
        self.by_key.insert(client.public_key, place);
        self.by_address.insert(client.address, place);
        let peer = Some(Peer::new(client));
        match self.peers.get_mut(place) {
            Some(free) => *free = peer,
            None => self.peers.push(peer),
        }
        true
    }

    /// Lets a peer go, whose session was closed.
    pub(crate) fn remove(&mut self, place: usize) -> Option<Peer> {
        let peer = self.peers.get_mut(place)?.take()?;
        self.free.push(place);
        self.by_key.remove(&peer.entry.public_key);
        self.by_address.remove(&peer.entry.address);
        Some(peer)
    }

    /// Gives a peer another address, unless that is somebody's. Says whether it did.
    pub(crate) fn set_address(&mut self, place: usize, address: Ipv6Addr) -> bool {
        if self.by_address.get(&address).is_some_and(|holder| *holder != place) {
            return false;
        }
        let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else { return false };
        self.by_address.remove(&peer.entry.address);
        self.by_address.insert(address, place);
        peer.entry.address = address;
        true
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
        self.peers.get_mut(place)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().flatten()
    }

    pub(crate) fn places(&self) -> Range<usize> {
        0..self.peers.len()
    }

    pub(crate) fn has_sessions(&self) -> bool {
        !self.by_index.is_empty()
    }

    /// A receiver index that no session of a peer has, and none that `is_taken` knows.
    pub(crate) fn free_index(&self, rng: &mut StdRng, is_taken: impl Fn(u32) -> bool) -> u32 {
        let mut index = rng.random_range(0..1 << 24);
        // Some 16 million indices for at most as many sessions as there are clients and visitors.
        while self.by_index.contains_key(&index) || is_taken(index) {
            index = rng.random_range(0..1 << 24);
        }
        index
    }

    /// Gives the peer a session under that free index, unless it has one. Says whether it was given one.
    pub(crate) fn open_session(&mut self, place: usize, identity: &Identity, index: u32) -> bool {
        let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else { return false };
        if peer.session.is_some() {
            return false;
        }
        peer.session = Some(identity.session(&peer.with(), index));
        self.by_index.insert(index, place);
        true
    }

    /// Takes a provisional session in; the oldest one goes where there are too many.
    pub(crate) fn add_provisional(&mut self, place: usize, one: Provisional) {
        let index = one.session.index();
        let Some(peer) = self.get_mut(place) else { return };
        let oldest = (peer.provisional.len() >= MAX_PROVISIONAL).then(|| peer.provisional.remove(0));
        peer.provisional.push(one);
        if let Some(oldest) = oldest {
            self.by_index.remove(&oldest.session.index());
        }
        self.by_index.insert(index, place);
    }

    /// Keeps those provisional sessions of the peer.
    pub(crate) fn retain_provisional(&mut self, place: usize, stays: impl Fn(&Provisional) -> bool) {
        let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else { return };
        for gone in peer.provisional.extract_if(.., |one| !stays(one)) {
            self.by_index.remove(&gone.session.index());
        }
    }

    /// Puts a provisional session in the place of the peer's. Gives the number of packets that waited for keys.
    pub(crate) fn adopt_provisional(&mut self, place: usize, receiver: u32) -> usize {
        let index = receiver >> 8;
        let Some(peer) = self.get_mut(place) else { return 0 };
        let Some(number) = peer.provisional.iter().position(|one| one.session.index() == index) else {
            return 0;
        };
        let adopted = peer.provisional.remove(number);
        let abandoned = self.close_session(place);
        if let Some(peer) = self.get_mut(place) {
            peer.session = Some(adopted.session);
        }
        abandoned
    }

    /// Drops the peer's keys and its index. Gives the number of packets that waited for keys.
    pub(crate) fn close_session(&mut self, place: usize) -> usize {
        let Some(peer) = self.get_mut(place) else { return 0 };
        peer.endpoint.forget_sessions();
        self.retain_provisional(place, |_| false);
        let Some(peer) = self.get_mut(place) else { return 0 };
        let Some(mut session) = peer.session.take() else { return 0 };
        self.by_index.remove(&session.index());
        session.abandon_waiting()
    }
}
