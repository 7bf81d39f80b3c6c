//! The Internet checksum over an IPv6 pseudo-header (RFC 8200 section 8.1, RFC 1071).

use std::net::Ipv6Addr;

/// The one's complement sum of the pseudo-header and the upper-layer bytes, complemented. Over a
/// datagram that carries its right checksum it is 0.
pub(crate) fn upper_layer(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, upper: &[u8]) -> u16 {
    let length = u32::try_from(upper.len()).unwrap_or(u32::MAX);
    let mut sum = 0u64;
    sum = add(sum, &source.octets());
    sum = add(sum, &destination.octets());
    sum = add(sum, &length.to_be_bytes());
    sum = add(sum, &[0, 0, 0, protocol]);
    sum = add(sum, upper);
    !fold(sum)
}

fn add(sum: u64, bytes: &[u8]) -> u64 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let sum = pairs.iter().fold(sum, |sum, pair| sum.saturating_add(u16::from_be_bytes(*pair).into()));
    // An odd last byte counts as the upper half of a word.
    rest.iter().fold(sum, |sum, byte| sum.saturating_add(u64::from(*byte) << 8))
}

fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff).saturating_add(sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo request from `ping -6 -c 1 -s 2 2001:db8::2`, worked out by hand from RFC 1071.
    #[test]
    fn the_sum_of_a_known_message_is_known() {
        let source = "2001:db8::1".parse().unwrap();
        let destination = "2001:db8::2".parse().unwrap();
        // 2001+0db8+0001 + 2001+0db8+0002 + 000a + 003a + 8000+1234+0001+6162 = 0x4ef4c -> ef50
        let message = [0x80, 0, 0, 0, 0x12, 0x34, 0, 1, 0x61, 0x62];
        let by_hand: u32 =
            [0x2001, 0xdb8, 1, 0x2001, 0xdb8, 2, 0xa, 0x3a, 0x8000, 0x1234, 1, 0x6162].iter().sum();
        let folded = u16::try_from((by_hand & 0xffff) + (by_hand >> 16)).unwrap();
        assert_eq!(upper_layer(source, destination, 58, &message), !folded);
    }

    #[test]
    fn a_message_with_its_checksum_in_it_sums_to_zero() {
        let address = Ipv6Addr::LOCALHOST;
        let mut message = vec![0x14, 0x42, 0x14, 0x42, 0, 9, 0, 0, 0xff];
        let checksum = upper_layer(address, address, 17, &message);
        message[6..8].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(upper_layer(address, address, 17, &message), 0);
    }
}
