//! Telling the neighbours on a link where an address is, asking whether one has it, and whether the router finds it
//! here (RFC 4861).

mod icmpv6_socket;
mod message;
mod packet_socket;
mod probe;
mod responder;
mod router_question;
mod solicited_node_groups;

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

pub use self::probe::{Conflict, NeighbourProbe};
pub use self::responder::Responder;
pub use self::router_question::{Heard, ask_router};
pub(crate) use self::solicited_node_groups::SolicitedNodeGroups;

/// `ff02::1`, every node on the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// What every neighbour discovery message must have: it has crossed no router.
const HOP_LIMIT: u8 = 255;

const TYPE_NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const FLAG_ROUTER: u8 = 0x80;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;
const OPTION_TARGET_LINK_LAYER_ADDRESS: u8 = 2;
/// Options are counted in these.
const OPTION_UNIT: usize = 8;

/// An unsolicited neighbour advertisement (RFC 4861, 7.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertisement<'a> {
    /// The kernel's number of the link.
    pub link_index: u32,
    /// The link's own link-local address.
    pub source: Ipv6Addr,
    /// The link's own link-layer address, 6 bytes on Ethernet.
    pub link_layer_address: &'a [u8],
    /// The address that is here.
    pub target: Ipv6Addr,
    /// Whether this host forwards on the link. To say no where a neighbour knows it as a router makes that
    /// neighbour drop it from its default routers.
    pub router: bool,
}

/// Sends the advertisement to all nodes on the link, with the Override flag: neighbours that know the address
/// at another link-layer address change their minds at once.
///
/// # Errors
/// If the link has no link-layer address, the source is not one of its link-local addresses, or the process
/// may not open a raw socket.
pub fn send_unsolicited_advertisement(advertisement: &Advertisement<'_>) -> io::Result<()> {
    let message = encode(advertisement)?;
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.set_multicast_hops_v6(HOP_LIMIT.into())?;
    socket.set_multicast_if_v6(advertisement.link_index)?;
    socket.set_multicast_loop_v6(false)?;
    let on_link = |address| SockAddr::from(SocketAddrV6::new(address, 0, 0, advertisement.link_index));
    socket.bind(&on_link(advertisement.source))?;
    let sent = socket.send_to(&message, &on_link(ALL_NODES))?;
    if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// The ICMPv6 message; the kernel fills in the checksum.
fn encode(advertisement: &Advertisement<'_>) -> io::Result<Vec<u8>> {
    let mac = advertisement.link_layer_address;
    let units = (2 + mac.len()).div_ceil(OPTION_UNIT);
    let (Ok(length), false) = (u8::try_from(units), mac.is_empty()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the link has no link-layer address"));
    };
    let flags = FLAG_OVERRIDE | if advertisement.router { FLAG_ROUTER } else { 0 };
    let mut message = vec![TYPE_NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    message.extend(advertisement.target.octets());
    let option = message.len();
    message.extend([OPTION_TARGET_LINK_LAYER_ADDRESS, length]);
    message.extend(mac);
    message.resize(option + units * OPTION_UNIT, 0);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x02, 0, 0x5e, 0x10, 0, 1];

    fn advertisement(router: bool) -> Advertisement<'static> {
        Advertisement {
            link_index: 2,
            source: "fe80::1".parse().unwrap(),
            link_layer_address: &MAC,
            target: "2001:db8::2330".parse().unwrap(),
            router,
        }
    }

    #[test]
    fn an_advertisement_overrides_and_carries_the_link_layer_address() {
        let message = encode(&advertisement(true)).unwrap();
        assert_eq!(message[..8], [136, 0, 0, 0, 0xa0, 0, 0, 0]);
        assert_eq!(message[8..24], advertisement(true).target.octets());
        assert_eq!(message[24..], [2, 1, 0x02, 0, 0x5e, 0x10, 0, 1]);
        assert_eq!(encode(&advertisement(false)).unwrap()[4], 0x20);
    }

    #[test]
    fn a_link_without_a_link_layer_address_is_refused() {
        let bare = Advertisement { link_layer_address: &[], ..advertisement(true) };
        assert_eq!(encode(&bare).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
