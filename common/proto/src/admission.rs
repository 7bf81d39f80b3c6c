//! Who may have a handshake message looked at: so many a second for each source.
//!
//! Only messages with a right mac1 come here, so that whoever does not even know our public key
//! can neither use up another's share nor fill the table.

use crate::DropReason;
use crate::limits::{ADMISSION_BURST, ADMISSION_INTERVAL, ADMISSION_PROBES};
use crate::timer::after;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Token buckets by source, in a table that does not outgrow its capacity.
#[derive(Debug)]
pub(crate) struct Admission {
    buckets: HashMap<Source, Bucket>,
    /// The sources in the order in which they are tried for eviction.
    order: VecDeque<Source>,
    capacity: usize,
    /// Shared by all who find no place.
    overflow: Bucket,
}

/// An IPv4 address, or the /64 of an IPv6 one: what one sender can choose freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Source(Ipv6Addr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped()),
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        }
    }
}

/// A token bucket, kept as the moment at which it will be full again.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now);
        let missing = full_at.saturating_duration_since(now);
        let most = ADMISSION_INTERVAL.saturating_mul(ADMISSION_BURST.saturating_sub(1));
        let has_token = missing <= most;
        if has_token {
            self.full_at = after(full_at, ADMISSION_INTERVAL);
        }
        has_token
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at.saturating_duration_since(now) == Duration::ZERO
    }
}

impl Admission {
    pub(crate) fn new(capacity: usize, now: Instant) -> Self {
        Self { buckets: HashMap::new(), order: VecDeque::new(), capacity, overflow: Bucket { full_at: now } }
    }

    /// Takes a token of that source.
    ///
    /// # Errors
    /// [`DropReason::HandshakeRateLimited`] when it has none left.
    pub(crate) fn admit(&mut self, address: IpAddr, now: Instant) -> Result<(), DropReason> {
        let source = Source::from(address);
        let is_admitted = if let Some(bucket) = self.buckets.get_mut(&source) {
            bucket.take(now)
        } else if self.make_room(now) {
            let mut bucket = Bucket { full_at: now };
            let is_admitted = bucket.take(now);
            self.buckets.insert(source, bucket);
            self.order.push_back(source);
            is_admitted
        } else {
            self.overflow.take(now)
        };
        if is_admitted { Ok(()) } else { Err(DropReason::HandshakeRateLimited) }
    }

    /// A full bucket says the same as none, so it can go. Those that are not get a second chance.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.buckets.len() < self.capacity {
            return true;
        }
        for _ in 0..ADMISSION_PROBES {
            let Some(oldest) = self.order.pop_front() else { return false };
            if self.buckets.get(&oldest).is_none_or(|bucket| bucket.is_full(now)) {
                self.buckets.remove(&oldest);
                return true;
            }
            self.order.push_back(oldest);
        }
        false
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need a first moment")]
#[expect(clippy::arithmetic_side_effects, reason = "the sums of tests are small")]
mod tests {
    use super::*;

    fn v4(n: u32) -> IpAddr {
        IpAddr::V4((0xc000_0200 + n).into())
    }

    #[test]
    fn five_at_once_and_then_twenty_a_second() {
        let start = Instant::now();
        let mut admission = Admission::new(16, start);
        let admitted = |admission: &mut Admission, tries: usize, now| {
            (0..tries).filter(|_| admission.admit(v4(1), now).is_ok()).count()
        };
        assert_eq!(admitted(&mut admission, 100, start), 5);
        let later: usize =
            (1..=1000).map(|ms| admitted(&mut admission, 3, start + Duration::from_millis(ms))).sum();
        assert_eq!(later, 20);
    }

    #[test]
    fn one_source_does_not_use_up_the_share_of_another() {
        let now = Instant::now();
        let mut admission = Admission::new(16, now);
        while admission.admit(v4(1), now).is_ok() {}
        assert!(admission.admit(v4(2), now).is_ok());
    }

    #[test]
    fn addresses_of_one_slash_64_are_one_source() {
        let now = Instant::now();
        let mut admission = Admission::new(16, now);
        let host = |n: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + n));
        let admitted = (0..50).filter(|n| admission.admit(host(*n), now).is_ok()).count();
        assert_eq!(admitted, 5);
    }

    #[test]
    fn a_mapped_ipv4_source_is_the_same_as_the_plain_one() {
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(Source::from(mapped), Source::from(v4(1)));
    }

    #[test]
    fn the_table_keeps_its_bound_and_those_without_a_place_share_one_bucket() {
        let now = Instant::now();
        let mut admission = Admission::new(64, now);
        let admitted = (0..10_000).filter(|n| admission.admit(v4(*n), now).is_ok()).count();
        assert_eq!(admitted, 64 + 5);
        assert!(admission.buckets.len() <= 64 && admission.order.len() <= 64);
    }

    #[test]
    fn a_source_that_rests_makes_room_for_a_new_one() {
        let now = Instant::now();
        let mut admission = Admission::new(64, now);
        for n in 0..64 {
            admission.admit(v4(n), now).unwrap();
        }
        let later = now + Duration::from_secs(1);
        let admitted = (100..164).filter(|n| admission.admit(v4(*n), later).is_ok()).count();
        assert_eq!(admitted, 64);
        assert_eq!(admission.buckets.len(), 64);
    }
}
