//! Joining the packets of one batch into super-packets.

use std::io::IoSlice;

use arrayvec::ArrayVec;

use super::{
    FIN, IPV6_LEN, PSH, TCP, TCP_FLAGS, UDP,
    checksum::{Sum, pseudo_header},
    flow::{MAX_PIECE_HEADERS, Piece, is_same_flow},
    virtio::{ChecksumPlace, Gso, GsoProtocol, VIRTIO_LEN, VirtioHeader},
};

/// Flows of which a super-packet is being put together at a time; of one more the oldest is sent as it is. A batch
/// seldom has packets of more bulk transfers at once.
const FLOWS: usize = 8;

/// Packets of one super-packet at the most: `UDP_MAX_SEGMENTS` of the oldest kernels that have it, and about what one
/// of the greatest length holds.
const PIECES: usize = 64;

/// Bytes of a super-packet at the most: its payload's length has 16 bits.
const MAX_LEN: usize = 65_535;

/// Room for a virtio header and the headers of a super-packet.
const HEAD: usize = VIRTIO_LEN + MAX_PIECE_HEADERS;

/// Puts super-packets together. Packets of one flow leave in the order in which they came; those of different flows may
/// overtake each other.
#[derive(Debug)]
pub struct Coalescer<'a> {
    open: ArrayVec<SuperPacket<'a>, FLOWS>,
    joins: Joins,
}

/// What is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins {
    /// TCP alone, where who takes the super-packets knows no others.
    Tcp,
    /// TCP and UDP.
    TcpAndUdp,
}

/// Packets that are written as one; perhaps a single one, as it came.
#[derive(Debug)]
pub struct SuperPacket<'a> {
    whole: &'a [u8],
    /// `None`: nothing can be joined to it.
    first: Option<Piece<'a>>,
    others: ArrayVec<&'a [u8], PIECES>,
    len: usize,
    next_sequence: u32,
    is_closed: bool,
    /// TCP flags of the last one that the others have not.
    last_flags: u8,
}

impl<'a> Coalescer<'a> {
    /// Nothing is waiting.
    #[must_use]
    pub fn new(joins: Joins) -> Self {
        Self { open: ArrayVec::new(), joins }
    }

    /// Takes the next packet of the batch, and gives `sink` what is complete.
    pub fn push(&mut self, packet: &'a [u8], sink: &mut impl FnMut(&SuperPacket<'a>)) {
        let piece = Piece::of(packet)
            .filter(|piece| self.joins == Joins::TcpAndUdp || piece.protocol == GsoProtocol::Tcp);
        let next = SuperPacket::of(packet, piece);
        if let Some(piece) = next.first
            && let Some(open) = self.open.iter_mut().find(|open| is_same_flow(open.whole, packet))
            && open.takes(&piece)
        {
            open.join(&piece);
            return;
        }
        self.flush_flow(packet, sink);
        if next.is_closed {
            sink(&next);
            return;
        }
        if self.open.is_full() {
            sink(&self.open.remove(0));
        }
        self.open.push(next);
    }

    /// Gives `sink` all that is left: the batch is over.
    pub fn finish(&mut self, sink: &mut impl FnMut(&SuperPacket<'a>)) {
        for packet in self.open.drain(..) {
            sink(&packet);
        }
    }

    /// What came before a packet of its flow goes before it.
    fn flush_flow(&mut self, packet: &[u8], sink: &mut impl FnMut(&SuperPacket<'a>)) {
        let mut at = 0;
        while let Some(open) = self.open.get(at) {
            if is_same_flow(open.whole, packet) {
                sink(&self.open.remove(at));
            } else {
                at += 1;
            }
        }
    }
}

impl<'a> SuperPacket<'a> {
    fn of(packet: &'a [u8], first: Option<Piece<'a>>) -> Self {
        Self {
            whole: packet,
            first,
            others: ArrayVec::new(),
            len: packet.len(),
            next_sequence: first.map_or(0, |first| first.next_sequence()),
            is_closed: first.is_none_or(|first| first.is_last),
            last_flags: 0,
        }
    }

    fn takes(&self, piece: &Piece<'_>) -> bool {
        !self.is_closed
            && self.first.is_some_and(|first| {
                piece.payload.len() <= first.payload.len()
                    && piece.protocol == first.protocol
                    && piece.continues(&first, self.next_sequence)
            })
            && self.others.len() + 1 < PIECES
            && self.len + piece.payload.len() <= MAX_LEN
    }

    fn join(&mut self, piece: &Piece<'a>) {
        let is_shorter = self.first.is_some_and(|first| piece.payload.len() < first.payload.len());
        self.is_closed = piece.is_last || is_shorter;
        if piece.protocol == GsoProtocol::Tcp {
            self.last_flags = piece.headers.get(IPV6_LEN + TCP_FLAGS).map_or(0, |flags| flags & (PSH | FIN));
        }
        self.next_sequence = piece.next_sequence();
        self.len += piece.payload.len();
        self.others.push(piece.payload);
    }

    /// How many packets it is.
    #[must_use]
    pub fn packets(&self) -> usize {
        self.others.len() + 1
    }

    /// What is to be written, the virtio header in front: `head` is room for what is not as it came.
    pub fn to_slices<'b>(&self, head: &'b mut Head) -> ArrayVec<IoSlice<'b>, { PIECES + 2 }>
    where
        'a: 'b,
    {
        let mut slices = ArrayVec::new();
        let (Some(first), false) = (self.first, self.others.is_empty()) else {
            let plain = head.fill(VirtioHeader::PLAIN, &[]);
            slices.extend([IoSlice::new(plain), IoSlice::new(self.whole)]);
            return slices;
        };
        slices.push(IoSlice::new(self.write_headers(&first, head)));
        slices.push(IoSlice::new(first.payload));
        slices.extend(self.others.iter().map(|payload| IoSlice::new(payload)));
        slices
    }

    /// Bytes of it as one packet.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Writes it as one packet with its checksum, for who takes a long packet but no virtio header. `room` has
    /// [`len`](Self::len) bytes.
    pub fn copy_to(&self, room: &mut [u8]) {
        let (Some(first), false) = (self.first, self.others.is_empty()) else {
            put(room, 0, self.whole);
            return;
        };
        let mut head = Head::default();
        self.write_headers(&first, &mut head);
        put(room, 0, head.headers_mut(first.headers.len()));
        let mut at = first.headers.len();
        for payload in [first.payload].into_iter().chain(self.others.iter().copied()) {
            put(room, at, payload);
            at += payload.len();
        }
        // The place of the checksum holds the sum of the pseudo-header.
        let sum = Sum::default().add(room.get(IPV6_LEN..).unwrap_or_default()).checksum();
        put(room, IPV6_LEN + usize::from(checksum_offset(first.protocol)), &sum);
    }

    /// The headers of all as one: the lengths of the whole, the flags of the last, and a checksum of the pseudo-header
    /// that whoever takes it apart completes.
    fn write_headers<'b>(&self, first: &Piece<'_>, head: &'b mut Head) -> &'b [u8] {
        let is_tcp = first.protocol == GsoProtocol::Tcp;
        let (offset, protocol) = (checksum_offset(first.protocol), if is_tcp { TCP } else { UDP });
        let header = VirtioHeader {
            checksum: Some(ChecksumPlace { start: IPV6_LEN as u16, offset }),
            gso: Some(Gso {
                protocol: first.protocol,
                size: u16::try_from(first.payload.len()).unwrap_or(u16::MAX),
                header_len: u16::try_from(first.headers.len()).unwrap_or(u16::MAX),
            }),
        };
        head.fill(header, first.headers);
        let transport_len = u16::try_from(self.len - IPV6_LEN).unwrap_or(u16::MAX);
        let headers = head.headers_mut(first.headers.len());
        put(headers, 4, &transport_len.to_be_bytes());
        if is_tcp {
            if let Some(flags) = headers.get_mut(IPV6_LEN + TCP_FLAGS) {
                *flags |= self.last_flags;
            }
        } else {
            put(headers, IPV6_LEN + 4, &transport_len.to_be_bytes());
        }
        let sum =
            headers.first_chunk().map(|ipv6| pseudo_header(ipv6, protocol).add_u16(transport_len).folded());
        put(headers, IPV6_LEN + usize::from(offset), &sum.unwrap_or_default());
        head.filled(first.headers.len())
    }
}

/// Where the checksum lies, counted from the header that it is in.
fn checksum_offset(protocol: GsoProtocol) -> u16 {
    match protocol {
        GsoProtocol::Tcp => 16,
        GsoProtocol::Udp => 6,
    }
}

/// Room for the beginning of a super-packet.
#[derive(Debug)]
pub struct Head([u8; HEAD]);

impl Default for Head {
    fn default() -> Self {
        Self([0; HEAD])
    }
}

impl Head {
    fn fill(&mut self, virtio: VirtioHeader, headers: &[u8]) -> &[u8] {
        put(&mut self.0, 0, &virtio.to_bytes());
        put(&mut self.0, VIRTIO_LEN, headers);
        self.filled(headers.len())
    }

    fn headers_mut(&mut self, len: usize) -> &mut [u8] {
        self.0.get_mut(VIRTIO_LEN..).and_then(|rest| rest.get_mut(..len)).unwrap_or_default()
    }

    fn filled(&self, headers: usize) -> &[u8] {
        self.0.get(..VIRTIO_LEN + headers).unwrap_or_default()
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(room) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..value.len())) {
        room.copy_from_slice(value);
    }
}
