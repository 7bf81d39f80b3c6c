//! Whether the router on a link finds an address at this host: asked by a packet that the router has to answer.
//!
//! ```text
//! this host ── echo request from the address, hop limit 1 ──> router
//!           <── solicitation: where is the address? ──────────      (unless it knows, or routes it here)
//!           ─── advertisement: here ─────────────────────────>      (the kernel's, from a proxy entry)
//!           <── time exceeded, to the address ────────────────
//! ```

use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::TYPE_NEIGHBOUR_ADVERTISEMENT;
use super::icmpv6_socket::send_packet;
use super::message::{IPV6_HEADER_LEN, TYPE_NEIGHBOUR_SOLICITATION, echo_request};
use super::packet_socket::PacketSocket;
use crate::network::Link;

const TYPE_UNREACHABLE: u8 = 1;
const TYPE_TIME_EXCEEDED: u8 = 3;
/// Type, code, checksum and four bytes more precede what an error quotes (RFC 4443, section 2.1) and a target.
const MESSAGE_HEAD: usize = 8;
/// Where the source address stands in an IPv6 header.
const SOURCE: usize = 8;
/// How far apart it is asked, and how often. A router may hold back errors (RFC 4443, section 2.4), and gives a
/// neighbour three seconds to answer (RFC 4861, section 10).
const INTERVAL: Duration = Duration::from_millis(700);
const ATTEMPTS: u16 = 5;

/// What was heard on the link of one address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// Somebody asked where the address is.
    pub solicited: bool,
    /// Somebody said that it is at his place.
    pub advertised: bool,
    /// The router's answer came to this link.
    pub answered: bool,
}

enum Sign {
    Solicited,
    Advertised,
    Answered,
}

/// Sends packets from `source` towards `destination` that the next router has to refuse, until its answer comes; 3.5 s
/// at the most. Must be called within a tokio runtime that has I/O and time enabled.
///
/// # Errors
/// If the link is gone, no route leads out of it, or the process may not open raw sockets.
pub async fn ask_router(link: &Link, source: Ipv6Addr, destination: Ipv6Addr) -> io::Result<Heard> {
    let types =
        [TYPE_UNREACHABLE, TYPE_TIME_EXCEEDED, TYPE_NEIGHBOUR_SOLICITATION, TYPE_NEIGHBOUR_ADVERTISEMENT];
    let socket = PacketSocket::open(link.index, types)?;
    let mut heard = Heard::default();
    for number in 0..ATTEMPTS {
        let packet = echo_request(source, destination, 1, number);
        send_packet(&packet, &link.name, link.index, destination)?;
        let end = Instant::now() + INTERVAL;
        while let Ok(sign) = timeout_at(end, socket.next(|packet| sign_of(packet, source))).await {
            match sign? {
                Sign::Solicited => heard.solicited = true,
                Sign::Advertised => heard.advertised = true,
                Sign::Answered => return Ok(Heard { answered: true, ..heard }),
            }
        }
    }
    Ok(heard)
}

/// What an ICMPv6 packet says about the address.
fn sign_of(packet: &[u8], address: Ipv6Addr) -> Option<Sign> {
    let message = packet.get(IPV6_HEADER_LEN..)?;
    let at = |place: usize| message.get(place..place + 16).is_some_and(|bytes| bytes == address.octets());
    match *message.first()? {
        TYPE_NEIGHBOUR_SOLICITATION if at(MESSAGE_HEAD) => Some(Sign::Solicited),
        TYPE_NEIGHBOUR_ADVERTISEMENT if at(MESSAGE_HEAD) => Some(Sign::Advertised),
        TYPE_UNREACHABLE | TYPE_TIME_EXCEEDED if at(MESSAGE_HEAD + SOURCE) => Some(Sign::Answered),
        _ => None,
    }
}
