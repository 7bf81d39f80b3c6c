//! What carries a control message: UDP over IPv6 between the link-local addresses of both ends.

use super::message::Envelope;
use crate::DropReason;
use crate::limits::MAX_PACKET;
use crate::packet::{Ipv6Packet, checksum};
use std::net::Ipv6Addr;

/// The UDP port of control, at both ends.
pub const CONTROL_PORT: u16 = 5186;

const UDP: u8 = 17;
/// Proof, as in RFC 5082, that nobody forwarded the packet: a router would have made it less.
const HOP_LIMIT: u8 = 255;
const IPV6_HEADER: usize = 40;
const UDP_HEADER: usize = 8;

/// Our own link-local address and the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) ours: Ipv6Addr,
    pub(crate) theirs: Ipv6Addr,
}

impl Ends {
    /// Whether a packet is for the control of this end.
    pub(crate) fn takes(&self, packet: &Ipv6Packet<'_>) -> bool {
        packet.destination() == self.ours
    }

    /// Checks a packet that [`Self::takes`] and reads its message.
    pub(crate) fn open(&self, packet: &Ipv6Packet<'_>) -> Result<Envelope, DropReason> {
        if packet.source() != self.theirs {
            return Err(DropReason::ControlSourceMismatch);
        }
        if packet.hop_limit() != HOP_LIMIT {
            return Err(DropReason::ControlHopLimit);
        }
        if packet.protocol() != UDP || packet.has_extensions() {
            return Err(DropReason::ControlMalformed);
        }
        Envelope::decode(self.open_udp(packet.upper_layer())?)
    }

    fn open_udp<'a>(&self, datagram: &'a [u8]) -> Result<&'a [u8], DropReason> {
        let (header, payload) =
            datagram.split_first_chunk::<UDP_HEADER>().ok_or(DropReason::ControlMalformed)?;
        let [s1, s2, d1, d2, l1, l2, c1, c2] = *header;
        let port = |bytes| u16::from_be_bytes(bytes) == CONTROL_PORT;
        let is_whole = usize::from(u16::from_be_bytes([l1, l2])) == datagram.len();
        if !port([s1, s2]) || !port([d1, d2]) || !is_whole {
            return Err(DropReason::ControlMalformed);
        }
        // Zero would mean that there is none, which IPv6 does not allow (RFC 8200 section 8.1).
        let is_absent = [c1, c2] == [0, 0];
        if is_absent || checksum::upper_layer(self.theirs, self.ours, UDP, datagram) != 0 {
            return Err(DropReason::ControlChecksum);
        }
        Ok(payload)
    }
}

/// Room for one control packet, on the stack.
pub(crate) struct ControlBuffer {
    bytes: [u8; MAX_PACKET],
}

impl ControlBuffer {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; MAX_PACKET] }
    }

    /// Writes the packet that carries a message from us to the peer. `None` cannot happen: all
    /// messages are shorter than [`MAX_CONTROL`](crate::limits::MAX_CONTROL).
    pub(crate) fn write(&mut self, ends: Ends, envelope: &Envelope) -> Option<&[u8]> {
        self.write_long(ends, envelope, 0)
    }

    /// The same, lengthened by zero bytes to a packet of `len` bytes. `None` where `len` is more than
    /// [`MAX_PACKET`].
    pub(crate) fn write_long(&mut self, ends: Ends, envelope: &Envelope, len: usize) -> Option<&[u8]> {
        self.bytes.fill(0);
        let (ip, rest) = self.bytes.split_first_chunk_mut::<IPV6_HEADER>()?;
        let (_, room) = rest.split_first_chunk_mut::<UDP_HEADER>()?;
        let least = len.saturating_sub(IPV6_HEADER);
        let udp_len = envelope.encode(room)?.checked_add(UDP_HEADER)?.max(least);
        let udp_len_bytes = u16::try_from(udp_len).ok()?.to_be_bytes();
        write_ip(ip, ends, udp_len_bytes);
        let datagram = rest.get_mut(..udp_len)?;
        write_udp(datagram, ends, udp_len_bytes)?;
        self.bytes.get(..udp_len.checked_add(IPV6_HEADER)?)
    }
}

fn write_ip(header: &mut [u8; IPV6_HEADER], ends: Ends, payload_len: [u8; 2]) {
    let [l1, l2] = payload_len;
    let fixed = [0x60, 0, 0, 0, l1, l2, UDP, HOP_LIMIT];
    let addresses = [ends.ours.octets(), ends.theirs.octets()];
    let bytes = fixed.iter().chain(addresses.as_flattened());
    for (place, byte) in header.iter_mut().zip(bytes) {
        *place = *byte;
    }
}

fn write_udp(datagram: &mut [u8], ends: Ends, len: [u8; 2]) -> Option<()> {
    let [p1, p2] = CONTROL_PORT.to_be_bytes();
    let [l1, l2] = len;
    *datagram.first_chunk_mut()? = [p1, p2, p1, p2, l1, l2, 0, 0];
    let sum = match checksum::upper_layer(ends.ours, ends.theirs, UDP, datagram) {
        0 => 0xffff,
        sum => sum,
    };
    datagram.get_mut(6..UDP_HEADER)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Message, SERVER_LINK_LOCAL};
    use proptest::prelude::*;

    const CLIENT: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xc);
    const AT_CLIENT: Ends = Ends { ours: CLIENT, theirs: SERVER_LINK_LOCAL };
    const AT_SERVER: Ends = Ends { ours: SERVER_LINK_LOCAL, theirs: CLIENT };

    fn heartbeat() -> Envelope {
        Envelope { request_id: 70_000, message: Message::Heartbeat }
    }

    fn carried() -> Vec<u8> {
        ControlBuffer::new().write(AT_CLIENT, &heartbeat()).unwrap().to_vec()
    }

    fn opened(bytes: &[u8]) -> Result<Envelope, DropReason> {
        let packet = Ipv6Packet::parse(bytes)?;
        assert!(AT_SERVER.takes(&packet));
        AT_SERVER.open(&packet)
    }

    #[test]
    fn what_one_end_writes_the_other_reads() {
        assert_eq!(opened(&carried()), Ok(heartbeat()));
    }

    #[test]
    fn a_probe_is_as_long_as_it_shall_be_and_read_all_the_same() {
        let probe = Envelope { request_id: 70_000, message: Message::Probe { mtu: 1394 } };
        for len in [1280, 1440, 1500] {
            let mut buffer = ControlBuffer::new();
            let bytes = buffer.write_long(AT_CLIENT, &probe, len).unwrap();
            assert_eq!((bytes.len(), opened(bytes)), (len, Ok(probe.clone())));
        }
        assert!(ControlBuffer::new().write_long(AT_CLIENT, &probe, 1501).is_none());
    }

    #[test]
    fn a_source_other_than_the_peers_is_refused() {
        let other = Ends { ours: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xd), theirs: SERVER_LINK_LOCAL };
        let mut buffer = ControlBuffer::new();
        let bytes = buffer.write(other, &heartbeat()).unwrap();
        assert_eq!(opened(bytes), Err(DropReason::ControlSourceMismatch));
    }

    #[test]
    fn a_forwarded_packet_is_refused() {
        let mut bytes = carried();
        bytes[7] = 254;
        assert_eq!(opened(&bytes), Err(DropReason::ControlHopLimit));
    }

    #[test]
    fn a_wrong_or_absent_checksum_is_refused() {
        let mut wrong = carried();
        wrong[46] ^= 1;
        assert_eq!(opened(&wrong), Err(DropReason::ControlChecksum));
        let mut absent = carried();
        absent[46..48].fill(0);
        assert_eq!(opened(&absent), Err(DropReason::ControlChecksum));
    }

    #[test]
    fn other_ports_and_wrong_lengths_are_refused() {
        for place in [41, 43, 45] {
            let mut bytes = carried();
            bytes[place] ^= 1;
            assert_eq!(opened(&bytes), Err(DropReason::ControlMalformed));
        }
    }

    proptest! {
        #[test]
        fn opening_never_panics(payload in proptest::collection::vec(any::<u8>(), 0..600)) {
            let bytes = crate::packet::tests::packet_between(CLIENT, SERVER_LINK_LOCAL, UDP, &payload);
            let mut bytes = bytes;
            bytes[7] = HOP_LIMIT;
            let _ = opened(&bytes);
        }
    }
}
