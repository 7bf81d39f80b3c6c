//! Which packets may become one: what the kernel's GRO asks of them.

use super::{
    ACK, CWR, FIN, IPV6_LEN, PSH, TCP, TCP_FLAGS, TCP_LEN, UDP, UDP_LEN, checksum::pseudo_header,
    virtio::GsoProtocol,
};

/// A TCP segment or a UDP datagram that others may be joined to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// All headers: 48 bytes of UDP, 60 to 100 of TCP.
    pub(super) headers: &'a [u8],
    /// Never empty.
    pub(super) payload: &'a [u8],
    pub(super) protocol: GsoProtocol,
    /// TCP's sequence number.
    sequence: u32,
    /// Whether nothing may follow it in one super-packet: it pushes, or ends the stream.
    pub(super) is_last: bool,
}

/// Bytes of the longest headers of a piece: IPv6, and TCP with all its options.
pub(super) const MAX_PIECE_HEADERS: usize = IPV6_LEN + 60;

impl<'a> Piece<'a> {
    /// The packet as a piece; `None` if it must stand for itself. Only one with a right checksum is a piece: joined, it
    /// would get a right one from whoever takes the super-packet apart.
    pub(super) fn of(packet: &'a [u8]) -> Option<Self> {
        let ipv6 = packet.first_chunk::<IPV6_LEN>()?;
        let transport = packet.get(IPV6_LEN..)?;
        let payload_len = usize::from(u16::from_be_bytes([ipv6[4], ipv6[5]]));
        if ipv6[0] >> 4 != 6 || payload_len != transport.len() {
            return None;
        }
        let (transport_len, protocol, sequence, is_last) = match ipv6[6] {
            TCP => {
                let tcp = transport.first_chunk::<TCP_LEN>()?;
                let flags = tcp[TCP_FLAGS];
                // ECE may be set, as long as it is in all: SYN, RST, URG and CWR may not.
                if flags & (ACK | 0x02 | 0x04 | 0x20 | CWR) != ACK {
                    return None;
                }
                let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
                let len = usize::from(tcp[12] >> 4) * 4;
                (len.max(TCP_LEN), GsoProtocol::Tcp, sequence, flags & (PSH | FIN) != 0)
            }
            UDP => {
                let udp = transport.first_chunk::<UDP_LEN>()?;
                let (len, checksum) = ([udp[4], udp[5]], [udp[6], udp[7]]);
                if usize::from(u16::from_be_bytes(len)) != transport.len() || checksum == [0, 0] {
                    return None;
                }
                (UDP_LEN, GsoProtocol::Udp, 0, false)
            }
            _ => return None,
        };
        let (headers, payload) = packet.split_at_checked(IPV6_LEN + transport_len)?;
        let len = u16::try_from(transport.len()).ok()?;
        let is_right = pseudo_header(ipv6, ipv6[6]).add_u16(len).add(transport).is_right();
        (!payload.is_empty() && is_right).then_some(Self { headers, payload, protocol, sequence, is_last })
    }

    /// The sequence number that continues it.
    pub(super) fn next_sequence(&self) -> u32 {
        self.sequence.wrapping_add(u32::try_from(self.payload.len()).unwrap_or(0))
    }

    /// Whether it may follow pieces of which `first` is the first, and TCP goes on at `next_sequence`: all of its
    /// headers are equal but for lengths, checksum, sequence number, and flags that only the last one has.
    pub(super) fn continues(&self, first: &Self, next_sequence: u32) -> bool {
        let (ours, theirs) = (self.headers, first.headers);
        let is_equal = |from: usize, to: usize| ours.get(from..to) == theirs.get(from..to);
        let is_equal_but = |at: usize, mask: u8| match (ours.get(at), theirs.get(at)) {
            (Some(ours), Some(theirs)) => (ours ^ theirs) & !mask == 0,
            _ => false,
        };
        let tcp = IPV6_LEN;
        ours.len() == theirs.len()
            && is_equal(0, 4)
            && is_equal(6, tcp + 4)
            && match self.protocol {
                GsoProtocol::Udp => true,
                GsoProtocol::Tcp => {
                    self.sequence == next_sequence
                        && is_equal(tcp + 8, tcp + TCP_FLAGS)
                        && is_equal_but(tcp + TCP_FLAGS, PSH | FIN)
                        && is_equal(tcp + 14, tcp + 16)
                        && is_equal(tcp + 18, ours.len())
                }
            }
    }
}

/// Whether two packets must stay in order among themselves: addresses are equal, and ports where both have them. A
/// packet without ports (an ICMPv6 error, a fragment) belongs to every flow of its addresses.
pub(super) fn is_same_flow(one: &[u8], other: &[u8]) -> bool {
    let has_ports = |packet: &[u8]| matches!(packet.get(6), Some(&TCP | &UDP));
    let is_equal = |from: usize, to: usize| one.get(from..to) == other.get(from..to);
    is_equal(8, IPV6_LEN)
        && (!has_ports(one) || !has_ports(other) || (is_equal(6, 7) && is_equal(IPV6_LEN, IPV6_LEN + 4)))
}
