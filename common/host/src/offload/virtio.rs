//! `struct virtio_net_hdr` (`linux/virtio_net.h`), in the host's byte order, as a tun with `IFF_VNET_HDR` has it in
//! front of each packet.

/// Bytes of it.
pub const VIRTIO_LEN: usize = 10;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the checksum is still to be completed.
const NEEDS_CSUM: u8 = 1;

/// `VIRTIO_NET_HDR_GSO_*`.
const GSO_NONE: u8 = 0;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
/// `VIRTIO_NET_HDR_GSO_ECN`, beside one of the others.
const GSO_ECN: u8 = 0x80;

/// What a packet with a virtio header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtioHeader {
    /// Where in the packet its checksum begins and where it lies, if it is still to be completed.
    pub checksum: Option<ChecksumPlace>,
    /// What the pieces are, if it is to be taken apart.
    pub gso: Option<Gso>,
}

/// What of a packet is summed, and where the sum goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChecksumPlace {
    /// The first byte that is summed, counted from the packet's first.
    pub start: u16,
    /// Where the checksum lies, counted from there.
    pub offset: u16,
}

/// Into what a packet is to be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gso {
    /// TCP or UDP.
    pub protocol: GsoProtocol,
    /// Bytes of payload in each piece but the last.
    pub size: u16,
    /// Bytes of all headers before the payload; a hint alone.
    pub header_len: u16,
}

/// What can be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GsoProtocol {
    /// TCP over IPv6.
    Tcp,
    /// UDP, each piece a datagram of its own.
    Udp,
}

impl VirtioHeader {
    /// A packet that stands for itself.
    pub const PLAIN: Self = Self { checksum: None, gso: None };

    /// How many packets a packet of `len` bytes with this header is.
    #[must_use]
    pub fn packets(self, len: usize) -> u64 {
        let Some(gso) = self.gso else { return 1 };
        let payload = len.saturating_sub(usize::from(gso.header_len));
        payload.div_ceil(usize::from(gso.size).max(1)).max(1) as u64
    }

    /// Reads it; `None` for a kind that was not asked for.
    #[must_use]
    pub fn parse(bytes: &[u8; VIRTIO_LEN]) -> Option<Self> {
        let [flags, kind, h0, h1, s0, s1, c0, c1, o0, o1] = *bytes;
        let place =
            ChecksumPlace { start: u16::from_ne_bytes([c0, c1]), offset: u16::from_ne_bytes([o0, o1]) };
        let gso = |protocol| {
            Some(Gso {
                protocol,
                size: u16::from_ne_bytes([s0, s1]),
                header_len: u16::from_ne_bytes([h0, h1]),
            })
        };
        let gso = match kind & !GSO_ECN {
            GSO_NONE => None,
            GSO_TCPV6 => gso(GsoProtocol::Tcp),
            GSO_UDP_L4 => gso(GsoProtocol::Udp),
            _ => return None,
        };
        Some(Self { checksum: (flags & NEEDS_CSUM != 0).then_some(place), gso })
    }

    /// Writes it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; VIRTIO_LEN] {
        let (flags, place) = match self.checksum {
            Some(place) => (NEEDS_CSUM, place),
            None => (0, ChecksumPlace { start: 0, offset: 0 }),
        };
        let (kind, size, header_len) = match self.gso {
            Some(Gso { protocol: GsoProtocol::Tcp, size, header_len }) => (GSO_TCPV6, size, header_len),
            Some(Gso { protocol: GsoProtocol::Udp, size, header_len }) => (GSO_UDP_L4, size, header_len),
            None => (GSO_NONE, 0, 0),
        };
        let ([h0, h1], [s0, s1]) = (header_len.to_ne_bytes(), size.to_ne_bytes());
        let ([c0, c1], [o0, o1]) = (place.start.to_ne_bytes(), place.offset.to_ne_bytes());
        [flags, kind, h0, h1, s0, s1, c0, c1, o0, o1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for gso in [None, Some(GsoProtocol::Tcp), Some(GsoProtocol::Udp)] {
            for checksum in [None, Some(ChecksumPlace { start: 40, offset: 16 })] {
                let gso = gso.map(|protocol| Gso { protocol, size: 1380, header_len: 72 });
                let header = VirtioHeader { checksum, gso };
                assert_eq!(VirtioHeader::parse(&header.to_bytes()), Some(header));
            }
        }
    }

    #[test]
    fn the_ecn_form_is_the_same_and_another_kind_is_none() {
        let mut bytes = [1, GSO_TCPV6 | GSO_ECN, 60, 0, 100, 0, 40, 0, 16, 0];
        assert!(matches!(VirtioHeader::parse(&bytes), Some(VirtioHeader { gso: Some(_), .. })));
        bytes[1] = 1;
        assert_eq!(VirtioHeader::parse(&bytes), None);
    }
}
