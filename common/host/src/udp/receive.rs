//! Receiving: several buffers a call, each with one datagram or a train of equal ones (GRO).

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
};

use quinn_udp::RecvMeta;

use super::{UdpSocket, platform, to_canonical};
use crate::limits::{RECEIVE_BUFFER_LEN, RECEIVE_BUFFERS};

/// Memory for one receive call, allocated once.
#[derive(Debug)]
pub struct ReceiveBuffers {
    bytes: Vec<u8>,
    metas: [RecvMeta; RECEIVE_BUFFERS],
    filled: usize,
}

/// A datagram as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Who sent it, v4-mapped addresses as IPv4.
    pub source: SocketAddr,
    /// The UDP payload.
    pub datagram: &'a [u8],
    /// The two bits of its header that tell of congestion (RFC 3168, section 5), 0 to 3.
    pub ecn: u8,
}

impl ReceiveBuffers {
    /// Allocates the buffers. Their pages become resident as datagrams fill them.
    pub fn new() -> Self {
        let bytes = vec![0; RECEIVE_BUFFERS * RECEIVE_BUFFER_LEN];
        Self { bytes, metas: [RecvMeta::default(); RECEIVE_BUFFERS], filled: 0 }
    }

    /// The datagrams of the last call, trains taken apart.
    pub fn iter(&self) -> impl Iterator<Item = Received<'_>> {
        let buffers = self.bytes.chunks_exact(RECEIVE_BUFFER_LEN).zip(&self.metas);
        buffers.take(self.filled).flat_map(|(buffer, meta)| {
            let source = to_canonical(meta.addr);
            let ecn = meta.ecn.map_or(0, |ecn| ecn as u8);
            let train = buffer.get(..meta.len).unwrap_or_default();
            // An empty datagram is one, too.
            let empty = train.is_empty().then_some(train);
            train.chunks(meta.stride.max(1)).chain(empty).map(move |datagram| Received {
                source,
                datagram,
                ecn,
            })
        })
    }
}

impl Default for ReceiveBuffers {
    fn default() -> Self {
        Self::new()
    }
}

impl UdpSocket {
    /// Fills the buffers with what has arrived, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing has; others are what an ICMP error or the kernel left on the socket, and the next
    /// call may well succeed. After an error the buffers are empty.
    pub fn receive_batch(&mut self, buffers: &mut ReceiveBuffers) -> io::Result<()> {
        buffers.filled = 0;
        let mut chunks = buffers.bytes.chunks_exact_mut(RECEIVE_BUFFER_LEN);
        let mut slices: [IoSliceMut<'_>; RECEIVE_BUFFERS] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        buffers.filled = platform::receive(&self.state, &self.socket, &mut slices, &mut buffers.metas)?;
        for meta in buffers.metas.iter().take(buffers.filled) {
            if let Some(local) = meta.dst_ip {
                self.locals.claim(to_canonical(meta.addr), local.to_canonical());
            }
        }
        Ok(())
    }
}
