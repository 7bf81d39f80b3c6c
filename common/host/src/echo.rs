//! Echo requests (RFC 792, RFC 4443, section 4.1): whether a packet of some size gets there and back, and how fast.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

const IPV4_REQUEST: u8 = 8;
const IPV4_REPLY: u8 = 0;
const IPV6_REQUEST: u8 = 128;
const IPV6_REPLY: u8 = 129;
/// Type, code, checksum, identifier, sequence number.
const HEAD: usize = 8;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
/// The longest packet, in bytes: Ethernet's, and room for what is received.
const MAX_SIZE: usize = 2048;

/// Sends an echo request in an IP packet of `size` bytes (rounded up to the shortest one), and waits for its answer.
/// `None`: none came within `patience`.
///
/// # Errors
/// If the process may not open raw sockets, no route leads there, or the packet is longer than what the route takes.
pub fn echo(to: IpAddr, size: usize, patience: Duration) -> io::Result<Option<Duration>> {
    let (domain, protocol, header, request) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, IPV4_HEADER, IPV4_REQUEST),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, IPV6_HEADER, IPV6_REQUEST),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.connect(&SocketAddr::new(to, 0).into())?;
    let identifier = (std::process::id() & 0xffff) as u16;
    let message = message(request, identifier, size.min(MAX_SIZE).saturating_sub(header));
    let start = Instant::now();
    socket.send(&message)?;
    loop {
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        let mut buffer = [MaybeUninit::<u8>::uninit(); MAX_SIZE];
        let received = match socket.recv(&mut buffer) {
            Ok(length) => initialized(&buffer, length),
            Err(error) if is_pause(&error) => continue,
            Err(error) => return Err(error),
        };
        if is_answer(to, &received, &message) {
            return Ok(Some(start.elapsed()));
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

#[expect(unsafe_code, reason = "a socket says how much it has written")]
fn initialized(buffer: &[MaybeUninit<u8>], length: usize) -> Vec<u8> {
    // SAFETY: `recv` has written the first `length` bytes.
    buffer.iter().take(length).map(|byte| unsafe { byte.assume_init() }).collect()
}

/// The kernel fills in the checksum of ICMPv6, whose pseudo header it knows; of ICMP it is in the message.
fn message(request: u8, identifier: u16, length: usize) -> Vec<u8> {
    let mut message = vec![request, 0, 0, 0];
    message.extend(identifier.to_be_bytes());
    message.extend(1_u16.to_be_bytes());
    message.resize(length.max(HEAD), 0);
    if request == IPV4_REQUEST {
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

/// Whether it is the reply to that message. Raw IPv4 sockets receive the header in front.
fn is_answer(to: IpAddr, received: &[u8], message: &[u8]) -> bool {
    let (reply, body) = match to {
        IpAddr::V4(_) => {
            let header = received.first().map_or(0, |first| usize::from(first & 0xf) * 4);
            (IPV4_REPLY, received.get(header..))
        }
        IpAddr::V6(_) => (IPV6_REPLY, Some(received)),
    };
    body.is_some_and(|body| {
        body.first() == Some(&reply) && body.len() == message.len() && body.get(4..) == message.get(4..)
    })
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn an_answer_has_the_type_the_identifier_and_the_length_of_the_question() {
        let request = message(IPV6_REQUEST, 7, 100);
        let to = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let mut reply = request.clone();
        reply[0] = IPV6_REPLY;
        assert!(is_answer(to, &reply, &request));
        assert!(!is_answer(to, &request, &request), "its own question");
        assert!(!is_answer(to, &reply[..99], &request), "cut off");
        reply[5] = 8;
        assert!(!is_answer(to, &reply, &request), "somebody else's");
    }

    #[test]
    fn an_ipv4_answer_stands_behind_its_header() {
        let request = message(IPV4_REQUEST, 7, 64);
        let mut received = vec![0; IPV4_HEADER];
        received[0] = 0x45;
        received.extend(&request);
        received[IPV4_HEADER] = IPV4_REPLY;
        assert!(is_answer(IpAddr::V4(Ipv4Addr::LOCALHOST), &received, &request));
        assert!(!is_answer(IpAddr::V4(Ipv4Addr::LOCALHOST), &[], &request));
    }

    #[test]
    fn the_checksum_makes_the_sum_of_all_ones() {
        assert_eq!(checksum(&message(IPV4_REQUEST, 0x1234, 65)), 0);
    }
}
