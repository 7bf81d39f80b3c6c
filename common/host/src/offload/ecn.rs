//! Explicit congestion notification (RFC 3168, section 5): the two lowest bits of the traffic class.

/// Where IPv6 has them, and "congestion experienced".
const BYTE: usize = 1;
const CE: u8 = 0b11 << 4;

/// Marks an IPv6 packet, or a super-packet as a whole, as having met congestion. False if its sender knows no marks.
#[must_use]
pub fn mark_congestion(packet: &mut [u8]) -> bool {
    let is_ipv6 = packet.first().is_some_and(|byte| byte >> 4 == 6);
    match packet.get_mut(BYTE).filter(|byte| is_ipv6 && **byte & CE != 0) {
        Some(byte) => {
            *byte |= CE;
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_marks_is_marked() {
        for (before, after) in [(0x01, None), (0x11, Some(0x31)), (0x21, Some(0x31)), (0x31, Some(0x31))] {
            let mut packet = [0x60, before, 0, 0];
            assert_eq!(mark_congestion(&mut packet), after.is_some());
            assert_eq!(packet, [0x60, after.unwrap_or(before), 0, 0]);
        }
        assert!(!mark_congestion(&mut [0x45, 0xff]));
        assert!(!mark_congestion(&mut []));
    }
}
