//! What changes in the namespace, told to a double: first `0 0`, then a line for each change.
//!
//! ```text
//! interface TYPE FAMILY INDEX
//! address TYPE INDEX ADDRESS
//! route TYPE INDEX DESTINATION LENGTH NEXT-HOP
//! ```
//!
//! TYPE is the number of Windows' `MIB_NOTIFICATION_TYPE`. IPv4 and IPv6 are told of alike; of the routes those of the
//! main table.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, TcpStream};
use std::os::fd::OwnedFd;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::AddressFamily as Family;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

/// `RTMGRP_…` of `linux/rtnetlink.h`: links, addresses and routes of both families.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// `MIB_NOTIFICATION_TYPE` of `netioapi.h`.
const CHANGED: u8 = 0;
const ADDED: u8 = 1;
const DELETED: u8 = 2;

/// Tells of each change until the double has gone.
pub(crate) fn serve(mut stream: TcpStream) -> io::Result<()> {
    let netlink = subscribe()?;
    stream.write_all(b"0 0\n")?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let (length, _) = recv(&netlink, &mut buffer, RecvFlags::empty())?;
        let text = describe(&buffer[..length]);
        if !text.is_empty() {
            stream.write_all(text.as_bytes())?;
        }
    }
}

fn subscribe() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    Ok(socket)
}

fn describe(mut datagram: &[u8]) -> String {
    let mut text = String::new();
    while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(datagram) {
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        if let NetlinkPayload::InnerMessage(message) = message.payload {
            tell(&message, &mut text);
        }
        // The next one begins at a multiple of four.
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    text
}

fn tell(message: &RouteNetlinkMessage, text: &mut String) {
    match message {
        RouteNetlinkMessage::NewLink(link) => tell_link(CHANGED, link, text),
        RouteNetlinkMessage::DelLink(link) => tell_link(DELETED, link, text),
        RouteNetlinkMessage::NewAddress(address) => tell_address(ADDED, address, text),
        RouteNetlinkMessage::DelAddress(address) => tell_address(DELETED, address, text),
        RouteNetlinkMessage::NewRoute(route) => tell_route(ADDED, route, text),
        RouteNetlinkMessage::DelRoute(route) => tell_route(DELETED, route, text),
        _ => {}
    }
}

fn tell_link(kind: u8, link: &LinkMessage, text: &mut String) {
    // Messages of one family are about its settings.
    if link.header.interface_family == Family::Unspec {
        for family in ['4', '6'] {
            let _ = writeln!(text, "interface {kind} {family} {}", link.header.index);
        }
    }
}

fn tell_address(kind: u8, message: &AddressMessage, text: &mut String) {
    let of = |attribute: &AddressAttribute| match attribute {
        AddressAttribute::Local(address) => Some((0, *address)),
        AddressAttribute::Address(address) => Some((1, *address)),
        _ => None,
    };
    // Of an address with a peer the other one is the peer's.
    if let Some((_, address)) = message.attributes.iter().filter_map(of).min() {
        let _ = writeln!(text, "address {kind} {} {address}", message.header.index);
    }
}

fn tell_route(kind: u8, message: &RouteMessage, text: &mut String) {
    let unspecified = match message.header.address_family {
        Family::Inet => IpAddr::from([0; 4]),
        Family::Inet6 => IpAddr::from([0; 16]),
        _ => return,
    };
    let (mut destination, mut next_hop, mut index) = (unspecified, unspecified, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip(address).unwrap_or(unspecified),
            RouteAttribute::Gateway(address) => next_hop = ip(address).unwrap_or(unspecified),
            RouteAttribute::Oif(oif) => index = Some(*oif),
            _ => {}
        }
    }
    if let Some(index) = index.filter(|_| message.header.table == RouteHeader::RT_TABLE_MAIN) {
        let length = message.header.destination_prefix_length;
        let _ = writeln!(text, "route {kind} {index} {destination} {length} {next_hop}");
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}
