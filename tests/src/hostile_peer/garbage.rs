//! Datagrams that mean nothing, in the shapes of those that do.

use rand::rngs::SmallRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};

use super::noise::{COOKIE_REPLY_LEN, INITIATION_LEN, RESPONSE_LEN};

/// The longest one: what fits an Ethernet frame.
const LONGEST: usize = 1472;

/// An endless supply of garbage, the same for the same seed.
#[derive(Debug)]
pub struct Garbage {
    random: SmallRng,
    receiver: u32,
}

impl Garbage {
    /// Garbage of which a part names `receiver`, the index of a living session.
    #[must_use]
    pub fn new(seed: u64, receiver: u32) -> Self {
        Self { random: SmallRng::seed_from_u64(seed), receiver }
    }

    /// A datagram that no session or handshake has made: one of WireGuard's four messages with random
    /// contents, or random bytes of a random length.
    fn datagram(&mut self) -> Vec<u8> {
        match self.random.random_range(0..6) {
            0 => self.message(1, INITIATION_LEN),
            1 => self.message(2, RESPONSE_LEN),
            2 => self.cookie_reply(),
            3 => self.data(),
            4 => {
                let (kind, len) = (self.random.random_range(0..=255), self.length());
                self.message(kind, len)
            }
            _ => {
                let len = self.length();
                self.bytes(len)
            }
        }
    }

    /// A cookie reply for the living session that nobody asked for.
    pub fn cookie_reply(&mut self) -> Vec<u8> {
        let mut reply = self.message(3, COOKIE_REPLY_LEN);
        reply[4..8].copy_from_slice(&self.receiver.to_le_bytes());
        reply
    }

    fn data(&mut self) -> Vec<u8> {
        let len = self.random.random_range(32..=LONGEST);
        let mut data = self.message(4, len);
        if self.random.random() {
            data[4..8].copy_from_slice(&self.receiver.to_le_bytes());
            // A counter that a session in use could have.
            data[10..16].fill(0);
        }
        data
    }

    fn message(&mut self, kind: u8, len: usize) -> Vec<u8> {
        let mut message = self.bytes(len);
        let header = [kind, 0, 0, 0];
        let known = len.min(header.len());
        message[..known].copy_from_slice(&header[..known]);
        message
    }

    fn length(&mut self) -> usize {
        self.random.random_range(1..=LONGEST)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.random.fill_bytes(&mut bytes);
        bytes
    }
}

impl Iterator for Garbage {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        Some(self.datagram())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_type_occurs_and_the_living_session_is_named() {
        let many: Vec<Vec<u8>> = Garbage::new(1, 7).take(20_000).collect();
        for kind in 1..=4 {
            assert!(many.iter().any(|datagram| datagram.starts_with(&[kind, 0, 0, 0])), "type {kind}");
        }
        assert!(many.iter().any(|datagram| datagram.len() > 16 && datagram[4..8] == 7u32.to_le_bytes()));
    }
}
