//! Addresses made from a prefix and a client's public key, in the way of RFC 7217.
//!
//! The interface identifier is BLAKE2s of a label, the prefix, its length, the client's public key and a
//! counter; it fills the lowest 64 bits, or what a longer prefix leaves of them. What lies between a
//! shorter prefix and the identifier is zero.
//!
//! RFC 7217 has a secret key as well, so that nobody can tell a host's address in one network from
//! that in another. Here the client's public key does its work: WireGuard never sends it in the
//! clear, so that nobody else can guess it. And a key of the server's would be lost with its files,
//! while a client has to get the same address even then.

use super::PoolPrefix;
use blake2::{Blake2s256, Digest};
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use v6tun_keys::PublicKey;

const LABEL: &[u8] = b"v6tun derived address v1";

/// Addresses made by the hash. Whoever finds none of them free takes the next free one behind the
/// last, so that a small prefix can be used up. Among half-used addresses 64 tries fail once in 2^64.
const HASHED: u32 = 64;

/// Interface identifiers that have a meaning of their own (RFC 5453, section 3, and its registry at
/// IANA): the subnet-router anycast address (RFC 4291, section 2.6.1), IANA's Ethernet block
/// (RFC 4291; RFC 6543 in it), and the reserved anycast addresses (RFC 2526).
const RESERVED: [RangeInclusive<u64>; 3] =
    [0..=0, 0x0200_5eff_fe00_0000..=0x0200_5eff_feff_ffff, 0xfdff_ffff_ffff_ff80..=0xfdff_ffff_ffff_ffff];

/// The addresses for a client, the best first; those behind the hashed ones come in their order, and
/// some come twice.
pub(super) fn candidates(prefix: PoolPrefix, client: PublicKey) -> impl Iterator<Item = Ipv6Addr> {
    let mask = identifier_mask(prefix.len);
    let hashed = (0..HASHED).map(move |counter| identifier(prefix, &client, counter));
    let last = identifier(prefix, &client, HASHED);
    let others = (0..=mask).map(move |step| last.wrapping_add(step));
    hashed
        .chain(others)
        .map(move |identifier| address(prefix, identifier & mask))
        .filter(move |address| is_lendable(prefix, *address))
}

/// Whether an address of the prefix has no meaning of its own.
pub(super) fn is_lendable(prefix: PoolPrefix, address: Ipv6Addr) -> bool {
    let identifier = low_half(address);
    // Of a prefix longer than 64 bits the first address is the anycast one, whatever precedes it.
    address != prefix.address && !RESERVED.iter().any(|range| range.contains(&identifier))
}

/// The bits of the interface identifier that the prefix leaves free.
pub(super) fn identifier_mask(len: u8) -> u64 {
    low_half(Ipv6Addr::from_bits(!network_mask(len)))
}

/// The first `len` bits.
pub(super) fn network_mask(len: u8) -> u128 {
    u128::MAX.checked_shl(u32::from(128u8.saturating_sub(len))).unwrap_or(0)
}

fn identifier(prefix: PoolPrefix, client: &PublicKey, counter: u32) -> u64 {
    let mut hash = Blake2s256::new_with_prefix(LABEL);
    hash.update(prefix.address.octets());
    hash.update([prefix.len]);
    hash.update(client.as_bytes());
    hash.update(counter.to_be_bytes());
    let mut first = [0; 8];
    hash.finalize().iter().zip(&mut first).for_each(|(from, to)| *to = *from);
    u64::from_be_bytes(first)
}

fn address(prefix: PoolPrefix, identifier: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(prefix.address.to_bits() | u128::from(identifier))
}

fn low_half(address: Ipv6Addr) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = address.octets();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use v6tun_keys::PrivateKey;

    fn key(byte: u8) -> PublicKey {
        PrivateKey::from_bytes([byte; 32]).public_key()
    }

    fn prefix(text: &str) -> PoolPrefix {
        text.parse().unwrap()
    }

    /// These must never change: a server that has lost its state gives its clients these again.
    #[test]
    fn the_same_client_gets_the_same_addresses_for_ever() {
        for (text, expected) in [
            ("2001:db8::/48", ["2001:db8::c2cc:9008:9b08:7f5d", "2001:db8::b6d4:eca2:97ef:1e2b"]),
            ("2001:db8:1:2::/64", ["2001:db8:1:2:ddf7:48e2:4c9a:7ccd", "2001:db8:1:2:ebd0:32c2:6c80:2d22"]),
            ("2001:db8:1:2::ff00/120", ["2001:db8:1:2::ffd9", "2001:db8:1:2::ffa6"]),
        ] {
            let first: Vec<String> = candidates(prefix(text), PublicKey::from_bytes([7; 32]))
                .take(2)
                .map(|address| address.to_string())
                .collect();
            assert_eq!(first, expected, "{text}");
        }
    }

    #[test]
    fn another_client_prefix_or_length_gives_another_identifier() {
        let first = |text, byte| low_half(candidates(prefix(text), key(byte)).next().unwrap());
        let all: HashSet<u64> = [
            first("2001:db8::/64", 1),
            first("2001:db8::/64", 2),
            first("2001:db8:0:1::/64", 1),
            first("2001:db8::/56", 1),
        ]
        .into();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn a_small_prefix_is_used_up_to_its_last_address_but_the_anycast_one() {
        let prefix = prefix("2001:db8::ff00/120");
        let all: HashSet<Ipv6Addr> = candidates(prefix, key(1)).collect();
        assert_eq!(all.len(), 255);
        assert!(!all.contains(&prefix.address));
    }

    #[test]
    fn reserved_identifiers_are_known_in_every_prefix_that_has_them() {
        for (prefix_text, address, lendable) in [
            ("2001:db8::/64", "2001:db8::", false),
            ("2001:db8::/64", "2001:db8::1", true),
            ("2001:db8::/64", "2001:db8::1ff:ffff:ffff:ffff", true),
            ("2001:db8::/64", "2001:db8::200:5eff:fe00:0", false),
            ("2001:db8::/64", "2001:db8::200:5eff:fe00:5213", false),
            ("2001:db8::/64", "2001:db8::200:5eff:feff:ffff", false),
            ("2001:db8::/64", "2001:db8::200:5eff:ff00:0", true),
            ("2001:db8::/64", "2001:db8::fdff:ffff:ffff:ff7f", true),
            ("2001:db8::/64", "2001:db8::fdff:ffff:ffff:ff80", false),
            ("2001:db8::/64", "2001:db8::fdff:ffff:ffff:ffff", false),
            ("2001:db8::fdff:ffff:ffff:ff00/120", "2001:db8::fdff:ffff:ffff:ffff", false),
            ("2001:db8::ff00/120", "2001:db8::ff00", false),
            ("2001:db8::/48", "2001:db8:0:5::", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(is_lendable(prefix(prefix_text), address), lendable, "{address} of {prefix_text}");
        }
    }

    proptest! {
        #[test]
        fn candidates_lie_in_the_prefix_and_are_never_reserved(
            bits: u64,
            len in PoolPrefix::MIN_LEN..=PoolPrefix::MAX_LEN,
            key: [u8; 32],
        ) {
            let bits = 0x2001_0db8 << 96 | u128::from(bits) << 32;
            let prefix = PoolPrefix { address: Ipv6Addr::from_bits(bits & network_mask(len)), len };
            prop_assert_eq!(prefix.check(), Ok(()));
            for address in candidates(prefix, PublicKey::from_bytes(key)).take(100) {
                prop_assert!(prefix.contains(address) && is_lendable(prefix, address));
                let between = address.to_bits() & !network_mask(len) & !u128::from(u64::MAX);
                prop_assert_eq!(between, 0);
            }
        }
    }
}
