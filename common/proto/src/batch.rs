//! Output buffers that the caller lends: fixed memory, allocated once.
//!
//! What is written lies end to end, so that neighbours of one size and one destination can be
//! handed to the kernel as a single UDP GSO send.

use crate::DropReason;
use crate::limits::{BATCH, SLOT};
use crate::packet::Ecn;
use std::net::SocketAddr;

/// Where a tunnel writes while it handles an input.
#[derive(Debug)]
pub struct Outputs<'a> {
    /// Datagrams to send.
    pub to_network: &'a mut DatagramBatch,
    /// Packets to write to the tun.
    pub to_tun: &'a mut PacketBatch,
}

/// One datagram of a [`DatagramBatch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatagramSpan {
    /// Where it goes.
    pub destination: SocketAddr,
    /// The place of its first byte in [`DatagramBatch::bytes`].
    pub start: usize,
    /// Its length in bytes; never 0.
    pub len: usize,
    /// What its header says of congestion.
    pub ecn: Ecn,
    /// Whether it may arrive in several pieces.
    pub may_be_fragmented: bool,
}

/// One packet of a [`PacketBatch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketSpan {
    /// The place of its first byte in [`PacketBatch::bytes`].
    pub start: usize,
    /// Its length in bytes; never 0.
    pub len: usize,
}

/// Datagrams for the network, in the order in which they are to be sent.
#[derive(Debug)]
pub struct DatagramBatch {
    buffer: Buffer,
    spans: Vec<DatagramSpan>,
}

impl DatagramBatch {
    /// An empty batch with room for [`BATCH`] datagrams.
    pub fn new() -> Self {
        Self { buffer: Buffer::new(), spans: Vec::with_capacity(BATCH) }
    }

    /// Forgets all datagrams and keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.filled = 0;
        self.spans.clear();
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// How many datagrams there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// All datagrams end to end.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.written()
    }

    /// Where in [`Self::bytes`] each datagram lies, and where it goes.
    pub fn spans(&self) -> &[DatagramSpan] {
        &self.spans
    }

    /// Each datagram with its destination.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.spans.iter().map(|span| (span.destination, self.buffer.get(span.start, span.len)))
    }

    /// Room for the next datagram; `None` when the batch is full.
    pub(crate) fn slot(&mut self) -> Option<&mut [u8; SLOT]> {
        if self.spans.len() < BATCH { self.buffer.slot() } else { None }
    }

    /// Keeps the first `len` bytes of the slot that was last given out.
    pub(crate) fn commit(&mut self, len: usize, destination: SocketAddr) {
        let start = self.buffer.commit(len);
        let (ecn, may_be_fragmented) = (Ecn::NotCapable, true);
        self.spans.push(DatagramSpan { destination, start, len, ecn, may_be_fragmented });
    }

    /// Those from the `first` on arrive whole or not at all.
    pub(crate) fn keep_whole(&mut self, first: usize) {
        for span in self.spans.iter_mut().skip(first) {
            span.may_be_fragmented = false;
        }
    }

    /// Those from the `first` on say of congestion what `packet` says, which they carry.
    pub(crate) fn carry_ecn(&mut self, first: usize, packet: &[u8]) {
        let ecn = Ecn::of(packet);
        for span in self.spans.iter_mut().skip(first) {
            span.ecn = ecn;
        }
    }
}

impl Default for DatagramBatch {
    fn default() -> Self {
        Self::new()
    }
}

/// Packets for the tun, in the order in which they are to be written.
#[derive(Debug)]
pub struct PacketBatch {
    buffer: Buffer,
    spans: Vec<PacketSpan>,
}

impl PacketBatch {
    /// An empty batch with room for [`BATCH`] packets.
    pub fn new() -> Self {
        Self { buffer: Buffer::new(), spans: Vec::with_capacity(BATCH) }
    }

    /// Forgets all packets and keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.filled = 0;
        self.spans.clear();
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// How many packets there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// All packets end to end.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.written()
    }

    /// Where in [`Self::bytes`] each packet lies.
    pub fn spans(&self) -> &[PacketSpan] {
        &self.spans
    }

    /// Each packet.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|span| self.buffer.get(span.start, span.len))
    }

    /// Room for the next packet; `None` when the batch is full.
    pub(crate) fn slot(&mut self) -> Option<&mut [u8; SLOT]> {
        if self.spans.len() < BATCH { self.buffer.slot() } else { None }
    }

    /// Keeps the first `len` bytes of the slot that was last given out.
    pub(crate) fn commit(&mut self, len: usize) {
        let start = self.buffer.commit(len);
        self.spans.push(PacketSpan { start, len });
    }

    /// Tells the packets from the `first` on what the datagram met that carried them. There is one, or none.
    pub(crate) fn hand_on_ecn(&mut self, first: usize, ecn: Ecn) -> Result<(), DropReason> {
        let Some(span) = self.spans.get(first).copied() else { return Ok(()) };
        let told = self.buffer.get_mut(span.start, span.len).map_or(Ok(()), |packet| ecn.hand_on(packet));
        if told.is_err() {
            self.spans.truncate(first);
            self.buffer.filled = span.start;
        }
        told
    }

    /// Takes over a copy of a packet; false when the batch is full.
    #[must_use]
    pub(crate) fn push(&mut self, packet: &[u8]) -> bool {
        let room = self.slot().and_then(|slot| slot.get_mut(..packet.len()));
        let Some(room) = room else { return false };
        room.copy_from_slice(packet);
        self.commit(packet.len());
        true
    }
}

impl Default for PacketBatch {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes that fill from the front, one slot's length at a time looked at.
#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    fn new() -> Self {
        // Zeroed memory comes untouched from the kernel: pages count once they are written.
        Self { bytes: vec![0; BATCH.saturating_mul(SLOT)], filled: 0 }
    }

    fn written(&self) -> &[u8] {
        self.get(0, self.filled)
    }

    fn get(&self, start: usize, len: usize) -> &[u8] {
        self.bytes.get(start..start.saturating_add(len)).unwrap_or_default()
    }

    fn get_mut(&mut self, start: usize, len: usize) -> Option<&mut [u8]> {
        self.bytes.get_mut(start..start.saturating_add(len))
    }

    fn slot(&mut self) -> Option<&mut [u8; SLOT]> {
        self.bytes.get_mut(self.filled..)?.first_chunk_mut()
    }

    fn commit(&mut self, len: usize) -> usize {
        let start = self.filled;
        self.filled = start.saturating_add(len.min(SLOT));
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination() -> SocketAddr {
        "192.0.2.1:51820".parse().unwrap()
    }

    #[test]
    fn datagrams_lie_end_to_end() {
        let mut batch = DatagramBatch::new();
        for byte in 1..=3 {
            batch.slot().unwrap()[..10].fill(byte);
            batch.commit(10, destination());
        }
        assert_eq!(batch.bytes().len(), 30);
        let spans: Vec<usize> = batch.spans().iter().map(|span| span.start).collect();
        assert_eq!(spans, [0, 10, 20]);
        assert!(batch.iter().zip(1..).all(|((_, datagram), byte)| datagram == [byte; 10]));
    }

    #[test]
    fn a_batch_takes_512_of_the_longest_and_then_no_more() {
        let mut batch = PacketBatch::new();
        for _ in 0..BATCH {
            assert!(batch.slot().is_some());
            batch.commit(SLOT);
        }
        assert!(batch.slot().is_none());
        assert!(!batch.push(&[0; 10]));
        batch.clear();
        assert!(batch.is_empty() && batch.bytes().is_empty());
        assert!(batch.push(&[7; 10]));
        assert_eq!(batch.iter().next(), Some(&[7; 10][..]));
    }
}
