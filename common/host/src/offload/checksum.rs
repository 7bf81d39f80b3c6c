//! The Internet checksum (RFC 1071), in the byte order of memory: the sum is the same in either, and needs no turning.

use super::IPV6_LEN;

/// A sum that is not yet folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum(u64);

impl Sum {
    /// The sum with these bytes behind it, of which all before were an even number.
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        let Self(sum) = self;
        let (words, rest) = bytes.as_chunks::<8>();
        // The halves of each word apart: nothing is carried, so the compiler adds many of them at once.
        let (mut low, mut high) = (0_u64, 0_u64);
        for word in words {
            let word = u64::from_ne_bytes(*word);
            low = low.wrapping_add(word & 0xffff_ffff);
            high = high.wrapping_add(word >> 32);
        }
        let mut last = [0; 8];
        if let Some(room) = last.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
        }
        let sum = [low, high, u64::from_ne_bytes(last)].into_iter().fold(sum, end_around);
        Self(sum)
    }

    pub(super) fn add_u16(self, number: u16) -> Self {
        self.add(&number.to_be_bytes())
    }

    /// The sum, as it is where a checksum is still to be completed over what follows.
    pub(super) fn folded(self) -> [u8; 2] {
        let Self(sum) = self;
        let sum = (sum & 0xffff_ffff) + (sum >> 32);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        // Folded: nothing is left above the lower 16 bits.
        (sum as u16).to_ne_bytes()
    }

    /// The checksum.
    pub(super) fn checksum(self) -> [u8; 2] {
        self.folded().map(|byte| !byte)
    }

    /// Whether the bytes had a right checksum among them.
    pub(super) fn is_right(self) -> bool {
        self.folded() == [0xff, 0xff]
    }
}

fn end_around(sum: u64, word: u64) -> u64 {
    let (sum, carry) = sum.overflowing_add(word);
    sum + u64::from(carry)
}

/// The sum of the pseudo-header (RFC 8200, section 8.1) but for the length, which differs from piece to piece.
pub(super) fn pseudo_header(ipv6: &[u8; IPV6_LEN], protocol: u8) -> Sum {
    let (_, addresses) = ipv6.split_at(8);
    Sum::default().add(addresses).add_u16(u16::from(protocol))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As RFC 1071 writes it down, in big-endian words of 16 bits.
    fn by_the_book(bytes: &[u8]) -> u16 {
        let words = bytes
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
        let mut sum: u32 = 0;
        for word in words {
            sum += word;
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    proptest! {
        #[test]
        fn it_is_what_the_book_says(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(Sum::default().add(&bytes).checksum(), by_the_book(&bytes).to_be_bytes());
        }

        #[test]
        fn a_sum_goes_on_where_it_was_left(bytes in prop::collection::vec(any::<u8>(), 0..600), at in 0..300usize) {
            let at = (at * 2).min(bytes.len() & !1);
            let (left, right) = bytes.split_at(at);
            prop_assert_eq!(
                Sum::default().add(left).add(right).checksum(),
                Sum::default().add(&bytes).checksum()
            );
        }
    }

    #[test]
    fn the_examples_of_rfc_1071_come_out() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().add(&bytes).folded(), [0xdd, 0xf2]);
        assert!(Sum::default().add(&bytes).add(&Sum::default().add(&bytes).checksum()).is_right());
    }
}
