//! The segment size that TCP's two ends agree on in their SYNs (RFC 9293, section 3.7.1), kept below what the tunnel carries.
//!
//! An end that learns of a smaller path only by Packet Too Big may never hear of it: such messages are filtered in many
//! places, and a server then sends segments that arrive nowhere.

use super::{Fragment, Ipv6Packet};

const TCP: u8 = 6;
const HEADER_LEN: usize = 20;
const FLAGS: usize = 13;
const SYN: u8 = 2;
const CHECKSUM: usize = 16;
const END: u8 = 0;
const PADDING: u8 = 1;
const MSS: u8 = 2;
/// Bytes of IPv6's header and of TCP's, which the size does not count.
const HEADERS: u16 = 60;

/// What is to be written into a packet whose SYN asks for more than the tunnel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MssClamp {
    /// The place of the size in the packet.
    mss_at: usize,
    mss: u16,
    /// The place of TCP's checksum in the packet.
    checksum_at: usize,
    checksum: u16,
}

impl MssClamp {
    /// For a SYN that names a size which does not fit packets of `mtu` bytes; `None` for all other packets.
    pub(crate) fn of(packet: &Ipv6Packet<'_>, mtu: u16) -> Option<Self> {
        if packet.protocol() != TCP || packet.fragment() == Fragment::Later {
            return None;
        }
        let segment = packet.upper_layer();
        if segment.get(FLAGS)? & SYN == 0 {
            return None;
        }
        let place = find_mss(segment)?;
        let old = read(segment, place)?;
        let mss = mtu.saturating_sub(HEADERS);
        if old <= mss {
            return None;
        }
        let begin = packet.bytes().len().checked_sub(segment.len())?;
        Some(Self {
            mss_at: begin.checked_add(place)?,
            mss,
            checksum_at: begin.checked_add(CHECKSUM)?,
            checksum: updated(read(segment, CHECKSUM)?, place, old, mss),
        })
    }

    /// A changed copy of the packet that it was made for.
    pub(crate) fn copy<'a>(&self, packet: &'a [u8], room: &'a mut [u8]) -> &'a [u8] {
        let Some(copy) = room.get_mut(..packet.len()) else { return packet };
        copy.copy_from_slice(packet);
        self.apply(copy);
        copy
    }

    /// Changes the packet that it was made for.
    pub(crate) fn apply(&self, packet: &mut [u8]) {
        for (place, value) in [(self.mss_at, self.mss), (self.checksum_at, self.checksum)] {
            if let Some(room) = packet.get_mut(place..).and_then(<[u8]>::first_chunk_mut) {
                *room = value.to_be_bytes();
            }
        }
    }
}

/// Where in the segment the size stands.
fn find_mss(segment: &[u8]) -> Option<usize> {
    let header_len = usize::from(segment.get(12)? >> 4).saturating_mul(4);
    let options = segment.get(..header_len)?;
    let mut place = HEADER_LEN;
    loop {
        match *options.get(place)? {
            END => return None,
            PADDING => place = place.saturating_add(1),
            kind => {
                let len = usize::from(*options.get(place.saturating_add(1))?);
                if kind == MSS {
                    let is_whole = len == 4 && options.len() >= place.saturating_add(len);
                    return is_whole.then(|| place.saturating_add(2));
                }
                // A length below two would never end.
                place = place.saturating_add(len.max(2));
            }
        }
    }
}

fn read(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// The checksum after two bytes at `place` have changed (RFC 1624, equation 3). Where they lie across two words each is
/// half of another one.
fn updated(checksum: u16, place: usize, old: u16, new: u16) -> u16 {
    let swap = |word: u16| if place.is_multiple_of(2) { word } else { word.swap_bytes() };
    let sum = u32::from(!checksum).saturating_add((!swap(old)).into()).saturating_add(swap(new).into());
    let folded = (sum & 0xffff).saturating_add(sum >> 16);
    let folded = (folded & 0xffff).saturating_add(folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "the sums of tests are small")]
mod tests {
    use super::super::checksum;
    use super::super::tests::packet;
    use super::*;
    use proptest::prelude::*;

    const SYN_ACK: u8 = 0x12;
    const ACK: u8 = 0x10;

    /// A segment with those options and its right checksum, in a packet.
    fn segment(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut segment = vec![0x12; HEADER_LEN];
        segment[12] = (((HEADER_LEN + options.len()) / 4) as u8) << 4;
        segment[FLAGS] = flags;
        segment[CHECKSUM..CHECKSUM + 2].fill(0);
        segment.extend(options);
        segment.extend(payload);
        let mut bytes = packet(TCP, &segment);
        let whole = Ipv6Packet::parse(&bytes).unwrap();
        let sum = checksum::upper_layer(whole.source(), whole.destination(), TCP, whole.upper_layer());
        bytes[40 + CHECKSUM..40 + CHECKSUM + 2].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn is_sound(bytes: &[u8]) -> bool {
        let whole = Ipv6Packet::parse(bytes).unwrap();
        checksum::upper_layer(whole.source(), whole.destination(), TCP, whole.upper_layer()) == 0
    }

    fn clamped(bytes: &[u8], mtu: u16) -> Option<Vec<u8>> {
        let clamp = MssClamp::of(&Ipv6Packet::parse(bytes).unwrap(), mtu)?;
        let mut changed = bytes.to_vec();
        clamp.apply(&mut changed);
        Some(changed)
    }

    #[test]
    fn a_size_that_does_not_fit_becomes_the_greatest_that_does() {
        for flags in [SYN, SYN_ACK] {
            // 1440, behind a timestamp, as a host on a link of 1500 bytes asks for.
            let options = [8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 2, 4, 0x05, 0xa0, 1, 1];
            let changed = clamped(&segment(flags, &options, &[]), 1394).unwrap();
            assert_eq!(read(&changed, 40 + HEADER_LEN + 12), Some(1334));
            assert!(is_sound(&changed));
        }
    }

    #[test]
    fn what_fits_or_is_no_syn_or_names_no_size_is_left_alone() {
        let size = [2, 4, 0x05, 0x36];
        assert_eq!(clamped(&segment(SYN, &size, &[]), 1394), None);
        assert!(clamped(&segment(SYN, &size, &[]), 1393).is_some());
        assert_eq!(clamped(&segment(ACK, &size, b"data"), 1280), None);
        assert_eq!(clamped(&segment(SYN, &[1, 1, 1, 0], &size), 1280), None);
        assert_eq!(clamped(&segment(SYN, &[], &[2, 4, 9, 9]), 1280), None, "that is payload");
        assert_eq!(clamped(&packet(17, &segment(SYN, &size, &[])[40..]), 1280), None);
    }

    #[test]
    fn options_that_lie_about_their_length_end_the_search() {
        for options in [[5, 0, 2, 4], [2, 9, 0xff, 0xff], [8, 200, 0, 0], [1, 1, 2, 4]] {
            assert_eq!(clamped(&segment(SYN, &options, &[0xff; 4]), 1280), None, "{options:?}");
        }
    }

    proptest! {
        #[test]
        fn the_checksum_stays_right_wherever_the_size_stands(before in 0usize..9, old in any::<u16>(), mtu in 1280u16..1500) {
            let mut options = vec![PADDING; before];
            options.extend([2, 4]);
            options.extend(old.to_be_bytes());
            options.resize(16, PADDING);
            let bytes = segment(SYN, &options, b"odd");
            if let Some(changed) = clamped(&bytes, mtu) {
                prop_assert!(old > mtu - HEADERS);
                prop_assert_eq!(read(&changed, 40 + HEADER_LEN + before + 2), Some(mtu - HEADERS));
                prop_assert!(is_sound(&changed));
            } else {
                prop_assert!(old <= mtu - HEADERS);
            }
        }

        #[test]
        fn looking_never_panics(payload in proptest::collection::vec(any::<u8>(), 0..80)) {
            let bytes = packet(TCP, &payload);
            if let Ok(packet) = Ipv6Packet::parse(&bytes) {
                let _ = MssClamp::of(&packet, 1280);
            }
        }
    }
}
