//! Pings many addresses at once, to see when each answers first.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use socket2::{Domain, Protocol, Socket, Type};

use super::Namespace;

/// An echo request (RFC 4443, section 4.1), whose checksum the kernel fills in.
const REQUEST: [u8; 8] = [128, 0, 0, 0, 0x76, 0x36, 0, 1];
const REPLY: u8 = 129;

/// When each address has answered a ping first, from `start` on; `None`: not within `limit`. Each that is silent is pinged
/// every `interval`.
///
/// # Errors
/// No raw socket can be opened, or no route leads there.
pub fn first_answers(
    from: &Namespace,
    addresses: &[Ipv6Addr],
    start: Instant,
    interval: Duration,
    limit: Duration,
) -> Result<Vec<Option<Duration>>> {
    from.enter(|| {
        // The library's socket for UDP receives and sends on others, too, with the same system calls.
        let socket: UdpSocket =
            Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).context("a raw socket")?.into();
        let mut answers: HashMap<Ipv6Addr, Duration> = HashMap::new();
        while answers.len() < addresses.len() && start.elapsed() < limit {
            for address in addresses.iter().filter(|address| !answers.contains_key(address)) {
                // Where no way leads there yet, that is no answer.
                let _unsent = socket.send_to(&REQUEST, (*address, 0));
            }
            let next = Instant::now() + interval;
            while let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            {
                socket.set_read_timeout(Some(left))?;
                if let Some(address) = receive(&socket)? {
                    answers.entry(address).or_insert_with(|| start.elapsed());
                }
            }
        }
        Ok(addresses.iter().map(|address| answers.get(address).copied()).collect())
    })
}

/// Whose reply has come; `None`: that of nobody.
fn receive(socket: &UdpSocket) -> Result<Option<Ipv6Addr>> {
    let mut buffer = [0; 128];
    match socket.recv_from(&mut buffer) {
        Ok((length, source)) => {
            let is_reply = length > 0 && buffer[0] == REPLY;
            Ok(match source.ip() {
                IpAddr::V6(address) if is_reply => Some(address),
                _ => None,
            })
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).context("receiving echo replies"),
    }
}
