//! What a machine says that takes an address for itself: an unsolicited neighbour advertisement (RFC 4861,
//! section 7.2.6), which the kernel sends for no address that is added later.

use std::net::{Ipv6Addr, SocketAddrV6};

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Protocol, Socket, Type};

use super::Namespace;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// RFC 4861, section 7.1.2: what has passed a router has less, and is not believed.
const HOP_LIMIT: u32 = 255;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const OVERRIDE: u8 = 0x20;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

/// Tells everybody on `link` that `address`, which `host` has, is `host`'s.
///
/// # Errors
/// `host` has no such link or address, or the kernel refuses.
pub fn advertise_address(host: &Namespace, link: &str, address: Ipv6Addr) -> Result<()> {
    let of_link = |what: &str| host.output(&format!("cat /sys/class/net/{link}/{what}"));
    let index: u32 = of_link("ifindex")?.trim().parse().context("an interface's index")?;
    let message = advertisement(address, of_link("address")?.trim())?;
    host.enter(|| {
        // The kernel writes the checksum (RFC 3542, section 3.1).
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).context("a raw socket")?;
        socket.set_multicast_hops_v6(HOP_LIMIT)?;
        socket.set_multicast_if_v6(index)?;
        socket.bind(&SocketAddrV6::new(address, 0, 0, 0).into()).with_context(|| address.to_string())?;
        let sent = socket.send_to(&message, &SocketAddrV6::new(ALL_NODES, 0, 0, index).into())?;
        ensure!(sent == message.len(), "sent {sent} of {} bytes", message.len());
        Ok(())
    })
}

fn advertisement(target: Ipv6Addr, mac: &str) -> Result<Vec<u8>> {
    let mut message = vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    message.extend(target.octets());
    message.extend([TARGET_LINK_LAYER_ADDRESS, 1]);
    for byte in mac.split(':') {
        message.push(u8::from_str_radix(byte, 16).with_context(|| mac.to_owned())?);
    }
    Ok(message)
}
