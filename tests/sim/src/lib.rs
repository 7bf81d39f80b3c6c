//! A network that loses, doubles, delays, reorders and alters datagrams, all from one seed.
//!
//! The tests drive both ends of v6tun over it under virtual time. They are a package of their
//! own, built by name alone, because they give the WireGuard engine a mock clock.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

/// How the network treats datagrams.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// The least time from sender to receiver.
    pub delay: Duration,
    /// Up to so much more, for each datagram anew: beyond the space between two, they overtake.
    pub jitter: Duration,
    /// The share that the jitter is about, 0 to 1: the others come after the delay.
    pub jittered: f64,
    /// The share that is lost, 0 to 1.
    pub loss: f64,
    /// The share that arrives twice, 0 to 1.
    pub duplication: f64,
    /// The share of which one bit arrives altered, 0 to 1.
    pub corruption: f64,
    /// Longer payloads vanish without a word, bytes.
    pub black_hole_above: Option<usize>,
    /// What the narrowest link carries, bytes a second. Where more than a tenth of a second waits for it, more is lost.
    pub rate: Option<u32>,
}

/// What may wait for the narrowest link.
const QUEUE: Duration = Duration::from_millis(100);

impl Default for Conditions {
    /// 10 ms each way, and nothing goes wrong.
    fn default() -> Self {
        let delay = Duration::from_millis(10);
        Self {
            delay,
            jitter: Duration::ZERO,
            jittered: 1.0,
            loss: 0.0,
            duplication: 0.0,
            corruption: 0.0,
            black_hole_above: None,
            rate: None,
        }
    }
}

/// A datagram on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Travelling {
    /// When it arrives, since the network's beginning.
    pub at: Duration,
    /// Keeps the order of those that arrive at once.
    number: u64,
    /// The sender as the receiver sees it.
    pub from: SocketAddr,
    /// The receiver.
    pub to: SocketAddr,
    /// The UDP payload.
    pub bytes: Vec<u8>,
}

/// The datagrams on their way, and the dice.
#[derive(Debug)]
pub struct Network {
    /// How datagrams sent from here on are treated.
    pub conditions: Conditions,
    on_the_way: BinaryHeap<Reverse<Travelling>>,
    sent: u64,
    /// When the narrowest link has sent what was given to it.
    idle_at: Duration,
    rng: StdRng,
}

impl Network {
    /// A network whose accidents are all decided by the seed.
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { conditions, on_the_way: BinaryHeap::new(), sent: 0, idle_at: Duration::ZERO, rng }
    }

    /// How many datagrams were given to the network, lost ones included.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Takes a datagram at that time, to deliver it once, twice or never.
    pub fn send(&mut self, now: Duration, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.sent += 1;
        if self.conditions.black_hole_above.is_some_and(|most| bytes.len() > most) {
            return;
        }
        let Some(now) = self.through_the_narrowest_link(now, bytes.len()) else { return };
        let copies = 1 + u64::from(self.rng.random_bool(self.conditions.duplication));
        for copy in 0..copies {
            if self.rng.random_bool(self.conditions.loss) {
                continue;
            }
            let jitter = match self.rng.random_bool(self.conditions.jittered) {
                true => self.conditions.jitter.mul_f64(self.rng.random()),
                false => Duration::ZERO,
            };
            let at = now + self.conditions.delay + jitter;
            let bytes = self.altered(bytes);
            let number = self.sent * 2 + copy;
            self.on_the_way.push(Reverse(Travelling { at, number, from, to, bytes }));
        }
    }

    /// When the narrowest link has sent it; `None` if it has no room.
    fn through_the_narrowest_link(&mut self, now: Duration, len: usize) -> Option<Duration> {
        let Some(rate) = self.conditions.rate else { return Some(now) };
        let begins = self.idle_at.max(now);
        if begins - now > QUEUE {
            return None;
        }
        self.idle_at = begins + Duration::from_secs_f64(len as f64 / f64::from(rate));
        Some(self.idle_at)
    }

    /// When the next datagram arrives.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.on_the_way.peek().map(|Reverse(next)| next.at)
    }

    /// The next datagram that has arrived by that time.
    pub fn receive(&mut self, now: Duration) -> Option<Travelling> {
        if self.next_arrival()? > now {
            return None;
        }
        self.on_the_way.pop().map(|Reverse(next)| next)
    }

    fn altered(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if !bytes.is_empty() && self.rng.random_bool(self.conditions.corruption) {
            let place = self.rng.random_range(0..bytes.len());
            bytes[place] ^= 1 << self.rng.random_range(0..8);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> [SocketAddr; 2] {
        ["192.0.2.1:1", "192.0.2.2:2"].map(|text| text.parse().unwrap())
    }

    fn arrivals(conditions: Conditions) -> Vec<Vec<u8>> {
        let [from, to] = ends();
        let mut network = Network::new(conditions, 1);
        for n in 0..1000u16 {
            network.send(Duration::from_millis(n.into()), from, to, &n.to_be_bytes());
        }
        std::iter::from_fn(|| network.receive(Duration::from_secs(60))).map(|d| d.bytes).collect()
    }

    #[test]
    fn a_good_network_delivers_everything_in_order() {
        let expected: Vec<_> = (0..1000u16).map(|n| n.to_be_bytes().to_vec()).collect();
        assert_eq!(arrivals(Conditions::default()), expected);
    }

    #[test]
    fn what_is_too_long_vanishes_and_what_is_too_much_waits_or_is_lost() {
        let [from, to] = ends();
        let conditions = Conditions {
            delay: Duration::ZERO,
            black_hole_above: Some(1000),
            rate: Some(100_000),
            ..Conditions::default()
        };
        let mut network = Network::new(conditions, 1);
        network.send(Duration::ZERO, from, to, &[0; 1001]);
        assert_eq!(network.next_arrival(), None);
        for _ in 0..20 {
            network.send(Duration::ZERO, from, to, &[0; 1000]);
        }
        let arrived: Vec<u128> = std::iter::from_fn(|| network.receive(Duration::from_secs(1)))
            .map(|d| d.at.as_millis())
            .collect();
        // Ten milliseconds each, and none that would wait for more than a hundred.
        assert_eq!(arrived, (1..=11).map(|n| n * 10).collect::<Vec<u128>>());
    }

    #[test]
    fn a_bad_network_does_each_of_its_misdeeds() {
        let good = Conditions::default();
        let lost = 1000 - arrivals(Conditions { loss: 0.3, ..good }).len();
        assert!((250..350).contains(&lost), "{lost}");
        let doubled = arrivals(Conditions { duplication: 0.1, ..good }).len() - 1000;
        assert!((70..130).contains(&doubled), "{doubled}");
        let jittered = arrivals(Conditions { jitter: Duration::from_millis(20), ..good });
        assert!(jittered.windows(2).any(|pair| pair[0] > pair[1]));
        let altered = arrivals(Conditions { corruption: 0.5, ..good });
        assert_ne!(altered, arrivals(good));
        let late = Conditions { jitter: Duration::from_millis(50), jittered: 0.25, ..good };
        let overtaken = arrivals(late).windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!((100..300).contains(&overtaken), "{overtaken}");
    }
}
