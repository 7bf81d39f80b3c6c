//! Memberships in the solicited-node groups of addresses (RFC 4291, section 2.7.1).

use std::io;
use std::net::Ipv6Addr;

use socket2::{Domain, Socket, Type};

use super::message::solicited_node;

/// Hears what is asked about some addresses on a link, and has switches hand it on, until it is dropped.
#[derive(Debug)]
pub(crate) struct SolicitedNodeGroups {
    _socket: Socket,
}

impl SolicitedNodeGroups {
    /// # Errors
    /// If the link is gone, or the kernel lets the socket have no more memberships.
    pub(crate) fn join(link_index: u32, addresses: &[Ipv6Addr]) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
        let mut groups: Vec<Ipv6Addr> = addresses.iter().copied().map(solicited_node).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            socket.join_multicast_v6(&group, link_index)?;
        }
        Ok(Self { _socket: socket })
    }
}
