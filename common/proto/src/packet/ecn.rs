//! Explicit congestion notification (RFC 3168) through the tunnel, as RFC 6040 has it.

use crate::DropReason;

/// The two bits by which routers tell of congestion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ecn {
    /// The sender does not know of it.
    #[default]
    NotCapable,
    /// ECT(1).
    Capable1,
    /// ECT(0).
    Capable0,
    /// A router on the way was congested.
    Congested,
}

/// Where the bits are in an IPv6 packet: in its second byte, four from the end.
const BYTE: usize = 1;
const SHIFT: u32 = 4;

impl Ecn {
    /// The two lowest bits of a traffic class or of an IPv4 header's second byte.
    pub fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotCapable,
            1 => Self::Capable1,
            2 => Self::Capable0,
            _ => Self::Congested,
        }
    }

    /// As they are written in a header, 0 to 3.
    pub fn to_bits(self) -> u8 {
        match self {
            Self::NotCapable => 0,
            Self::Capable1 => 1,
            Self::Capable0 => 2,
            Self::Congested => 3,
        }
    }

    /// What an IPv6 packet says: the datagram that carries it says the same (RFC 6040, section 4.1, normal mode).
    pub(crate) fn of(packet: &[u8]) -> Self {
        packet.get(BYTE).map_or(Self::NotCapable, |byte| Self::from_bits(byte >> SHIFT))
    }

    /// Tells the packet what the datagram met that carried it (RFC 6040, section 4.2).
    ///
    /// # Errors
    /// [`DropReason::Congestion`] for a packet that cannot be told: its loss tells its sender.
    pub(crate) fn hand_on(self, packet: &mut [u8]) -> Result<(), DropReason> {
        let told = match (Self::of(packet), self) {
            (Self::NotCapable, Self::Congested) => return Err(DropReason::Congestion),
            (Self::Capable0 | Self::Capable1, Self::Congested) => Self::Congested,
            (Self::Capable0, Self::Capable1) => Self::Capable1,
            _ => return Ok(()),
        };
        if let Some(byte) = packet.get_mut(BYTE) {
            *byte = *byte & !(3 << SHIFT) | told.to_bits() << SHIFT;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Ecn::{Capable0, Capable1, Congested, NotCapable};
    use super::*;

    #[test]
    fn what_arrives_is_as_the_table_of_rfc_6040_says() {
        // Figure 4: lines are the inner header, columns the outer one: Not-ECT, ECT(0), ECT(1), CE.
        let outer = [NotCapable, Capable0, Capable1, Congested];
        let table = [
            (NotCapable, [Some(NotCapable), Some(NotCapable), Some(NotCapable), None]),
            (Capable0, [Some(Capable0), Some(Capable0), Some(Capable1), Some(Congested)]),
            (Capable1, [Some(Capable1), Some(Capable1), Some(Capable1), Some(Congested)]),
            (Congested, [Some(Congested); 4]),
        ];
        for (inner, arrives) in table {
            for (outer, arrives) in outer.into_iter().zip(arrives) {
                let mut packet = [0x6f, 0xcf | inner.to_bits() << 4, 1, 2];
                let handed_on = outer.hand_on(&mut packet);
                assert_eq!(handed_on.is_ok(), arrives.is_some(), "{inner:?} in {outer:?}");
                assert_eq!(Ecn::of(&packet), arrives.unwrap_or(inner), "{inner:?} in {outer:?}");
                assert_eq!((packet[0], packet[1] & 0xcf, packet[2]), (0x6f, 0xcf, 1), "nothing else changes");
            }
        }
    }

    #[test]
    fn the_bits_are_those_of_rfc_3168() {
        assert_eq!([0, 1, 2, 3].map(Ecn::from_bits), [NotCapable, Capable1, Capable0, Congested]);
        assert!((0..=255).all(|byte| Ecn::from_bits(byte).to_bits() == byte & 3));
        assert_eq!(Ecn::of(&[]), NotCapable);
    }
}
