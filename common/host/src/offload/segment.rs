//! Taking a super-packet apart.

use super::{
    CWR, FIN, IPV6_LEN, MAX_HEADERS, PSH, TCP, TCP_FLAGS, TCP_LEN, UDP, UDP_LEN, VirtioHeader,
    checksum::{Sum, pseudo_header},
    virtio::{ChecksumPlace, Gso, GsoProtocol},
};

/// A packet whose virtio header does not fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the virtio header does not fit the packet")]
pub struct Malformed;

/// A packet that is longer than any that the tunnel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// The packets of a super-packet, in order.
///
/// ```text
/// IPv6 │ extension headers │ TCP or UDP │ payload ……………………………………
/// └──────── headers: copied, and changed ───────┘│ size │ size │ … │ rest │
/// ```
#[derive(Debug)]
pub struct Segments<'a> {
    headers: Headers,
    payload: &'a [u8],
    /// Bytes of payload before the next packet.
    at: usize,
    size: usize,
    is_done: bool,
}

/// All headers, and what of them changes.
#[derive(Debug)]
struct Headers {
    bytes: [u8; MAX_HEADERS],
    len: usize,
    /// Where TCP or UDP begins.
    transport: usize,
    kind: Kind,
    pseudo: Sum,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Nothing is to be changed.
    Plain,
    Tcp {
        sequence: u32,
        flags: u8,
    },
    Udp,
}

impl<'a> Segments<'a> {
    /// Begins with a packet as the tun gave it. A checksum that is still to be completed is completed in place.
    ///
    /// # Errors
    /// If the header does not fit the packet; no byte of it is to be sent then.
    pub fn new(header: VirtioHeader, packet: &'a mut [u8]) -> Result<Self, Malformed> {
        match header {
            VirtioHeader { gso: Some(gso), checksum: Some(place) } => {
                Self::of_super_packet(gso, place, packet)
            }
            // The kernel completes no checksum of a packet that is to be taken apart.
            VirtioHeader { gso: Some(_), checksum: None } => Err(Malformed),
            VirtioHeader { gso: None, checksum } => {
                if let Some(place) = checksum {
                    complete(place, packet)?;
                }
                Ok(Self::plain(packet))
            }
        }
    }

    /// A packet that stands for itself.
    #[must_use]
    pub fn plain(packet: &'a [u8]) -> Self {
        let headers = Headers {
            bytes: [0; MAX_HEADERS],
            len: 0,
            transport: 0,
            kind: Kind::Plain,
            pseudo: Sum::default(),
        };
        Self { headers, payload: packet, at: 0, size: packet.len(), is_done: false }
    }

    fn of_super_packet(gso: Gso, place: ChecksumPlace, packet: &'a [u8]) -> Result<Self, Malformed> {
        let transport = usize::from(place.start);
        let ipv6 = packet.first_chunk::<IPV6_LEN>().filter(|ipv6| ipv6[0] >> 4 == 6).ok_or(Malformed)?;
        let rest = packet.get(transport..).filter(|_| transport >= IPV6_LEN).ok_or(Malformed)?;
        let (transport_len, kind, protocol) = match gso.protocol {
            GsoProtocol::Tcp => {
                let tcp = rest.first_chunk::<TCP_LEN>().ok_or(Malformed)?;
                let len = usize::from(tcp[12] >> 4) * 4;
                let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
                (len, Kind::Tcp { sequence, flags: tcp[TCP_FLAGS] }, TCP)
            }
            GsoProtocol::Udp => (UDP_LEN, Kind::Udp, UDP),
        };
        let len = transport + transport_len;
        let size = usize::from(gso.size);
        let is_sound = size > 0
            && len <= MAX_HEADERS
            && (gso.protocol == GsoProtocol::Udp || transport_len >= TCP_LEN)
            && usize::from(place.offset) == checksum_offset(kind)
            && packet.len() > len;
        if !is_sound {
            return Err(Malformed);
        }
        let (before, payload) = packet.split_at_checked(len).ok_or(Malformed)?;
        let mut bytes = [0; MAX_HEADERS];
        bytes.get_mut(..len).ok_or(Malformed)?.copy_from_slice(before);
        let headers = Headers { bytes, len, transport, kind, pseudo: pseudo_header(ipv6, protocol) };
        Ok(Self { headers, payload, at: 0, size, is_done: false })
    }

    /// The next packet; `None` after the last one. It lies in `room` if it had to be put together there.
    ///
    /// # Errors
    /// [`TooLong`] for one that `room` is too small for; the next ones may fit.
    pub fn next<'b>(&mut self, room: &'b mut [u8]) -> Option<Result<&'b [u8], TooLong>>
    where
        'a: 'b,
    {
        if self.is_done {
            return None;
        }
        let end = self.at.saturating_add(self.size).min(self.payload.len());
        let piece = self.payload.get(self.at..end).unwrap_or_default();
        let is_last = end == self.payload.len();
        let at = self.at;
        (self.at, self.is_done) = (end, is_last);
        let len = self.headers.len + piece.len();
        if len > room.len() {
            return Some(Err(TooLong));
        }
        if let Kind::Plain = self.headers.kind {
            return Some(Ok(piece));
        }
        let room = room.get_mut(..len)?;
        let (head, body) = room.split_at_mut_checked(self.headers.len)?;
        self.headers.write(head, at, piece, is_last);
        body.copy_from_slice(piece);
        Some(Ok(room))
    }
}

impl Headers {
    /// Writes the headers of the piece that begins `at` bytes into the payload.
    fn write(&mut self, out: &mut [u8], at: usize, piece: &[u8], is_last: bool) {
        let transport_len = u16::try_from(self.len - self.transport + piece.len()).unwrap_or(u16::MAX);
        let payload_len = u16::try_from(self.len - IPV6_LEN.min(self.len) + piece.len()).unwrap_or(u16::MAX);
        let Some(headers) = self.bytes.get_mut(..self.len) else { return };
        let checksum = checksum_offset(self.kind);
        match self.kind {
            Kind::Plain => return,
            Kind::Tcp { sequence, flags } => {
                let sequence = sequence.wrapping_add(u32::try_from(at).unwrap_or(0));
                put(headers, self.transport + 4, &sequence.to_be_bytes());
                // Only the last ends the stream or pushes, only the first says that the window was reduced.
                let not_the_last = if is_last { 0 } else { FIN | PSH };
                let not_the_first = if at == 0 { 0 } else { CWR };
                put(headers, self.transport + TCP_FLAGS, &[flags & !not_the_last & !not_the_first]);
            }
            Kind::Udp => put(headers, self.transport + 4, &transport_len.to_be_bytes()),
        }
        put(headers, 4, &payload_len.to_be_bytes());
        put(headers, self.transport + checksum, &[0, 0]);
        let transport = headers.get(self.transport..).unwrap_or_default();
        let sum = self.pseudo.add_u16(transport_len).add(transport).add(piece).checksum();
        put(headers, self.transport + checksum, &sum_on_the_wire(sum, self.kind));
        out.copy_from_slice(headers);
    }
}

/// Where TCP and UDP keep their checksum, counted from their own header.
fn checksum_offset(kind: Kind) -> usize {
    match kind {
        Kind::Plain | Kind::Tcp { .. } => 16,
        Kind::Udp => 6,
    }
}

/// UDP says by 0 that there is none (RFC 8200, section 8.1).
fn sum_on_the_wire(sum: [u8; 2], kind: Kind) -> [u8; 2] {
    if matches!(kind, Kind::Udp) && sum == [0, 0] { [0xff, 0xff] } else { sum }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(room) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..value.len())) {
        room.copy_from_slice(value);
    }
}

/// Completes a checksum: its place holds the sum of the pseudo-header.
fn complete(place: ChecksumPlace, packet: &mut [u8]) -> Result<(), Malformed> {
    let summed = packet.get_mut(usize::from(place.start)..).ok_or(Malformed)?;
    let sum = Sum::default().add(summed).checksum();
    let at = usize::from(place.offset);
    let room = summed.get_mut(at..).and_then(|rest| rest.get_mut(..2)).ok_or(Malformed)?;
    // 0 means none in UDP, and its complement is the same number everywhere else.
    room.copy_from_slice(if sum == [0, 0] { &[0xff, 0xff] } else { &sum });
    Ok(())
}
