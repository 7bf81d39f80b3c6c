//! Neighbour proxy entries: addresses that the kernel answers solicitations for.

use std::io;
use std::net::Ipv6Addr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::Netlink;

/// Link index and address of every IPv6 proxy entry.
pub(super) async fn dump(netlink: &Netlink) -> io::Result<Vec<(u32, Ipv6Addr)>> {
    // The flag in the request's header is what asks for proxy entries instead of the neighbour cache.
    let answers = netlink.dump(RouteNetlinkMessage::GetNeighbour(message(0, None))).await?;
    let entries = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewNeighbour(entry) if entry.header.flags.contains(NeighbourFlags::Proxy) => {
            let address = entry.attributes.iter().find_map(|attribute| match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some(*address),
                _ => None,
            })?;
            Some((entry.header.ifindex, address))
        }
        _ => None,
    });
    Ok(entries.collect())
}

pub(super) async fn add(netlink: &Netlink, index: u32, address: Ipv6Addr) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewNeighbour(message(index, Some(address)));
    netlink.order(message, NLM_F_CREATE | NLM_F_EXCL).await
}

pub(super) async fn delete(netlink: &Netlink, index: u32, address: Ipv6Addr) -> io::Result<()> {
    netlink.order(RouteNetlinkMessage::DelNeighbour(message(index, Some(address))), 0).await
}

fn message(index: u32, address: Option<Ipv6Addr>) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.ifindex = index;
    message.header.flags = NeighbourFlags::Proxy;
    if let Some(address) = address {
        message.header.state = NeighbourState::Permanent;
        message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)));
    }
    message
}
