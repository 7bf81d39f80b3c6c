//! Super-packets: what the kernel hands over and takes back as one, and the network carries in pieces.
//!
//! ```text
//! tun ── virtio header + super-packet ──> Segments ──> packets of the MTU ──> tunnel
//! tunnel ──> decrypted packets of one batch ──> Coalescer ──> virtio header + super-packet ──> tun
//! ```
//!
//! Both are pure: bytes in, bytes out. What they do is what the kernel's own segmentation and GRO do
//! (`net/ipv6/tcpv6_offload.c`, `net/ipv4/udp_offload.c`), for TCP and UDP over IPv6.

mod checksum;
mod coalesce;
mod ecn;
mod flow;
mod segment;
mod virtio;

pub use coalesce::{Coalescer, Head, Joins, SuperPacket};
pub use ecn::mark_congestion;
pub use segment::{Malformed, Segments, TooLong};
pub use virtio::{ChecksumPlace, Gso, GsoProtocol, VIRTIO_LEN, VirtioHeader};

/// Bytes of an IPv6 header (RFC 8200, section 3).
const IPV6_LEN: usize = 40;
/// Bytes of a UDP header (RFC 768).
const UDP_LEN: usize = 8;
/// Bytes of a TCP header without options (RFC 9293, section 3.1).
const TCP_LEN: usize = 20;

/// Protocol numbers of the last header before the payload.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Bytes of the headers of a packet that is taken apart: IPv6, extension headers of up to 148, TCP with all its
/// options. The kernel makes super-packets with longer ones for nobody.
const MAX_HEADERS: usize = 248;

/// Where TCP keeps its flags, counted from its own header, and which they are.
const TCP_FLAGS: usize = 13;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const CWR: u8 = 0x80;

#[cfg(test)]
mod tests;
