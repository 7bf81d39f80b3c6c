//! Links.

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};

use super::netlink::Netlink;
use crate::network::{LINK_GROUP, Link};

pub(super) async fn dump(netlink: &Netlink) -> io::Result<Vec<Link>> {
    Ok(dump_messages(netlink).await?.into_iter().map(link).collect())
}

/// Every link in the kernel's words.
pub(super) async fn dump_messages(netlink: &Netlink) -> io::Result<Vec<LinkMessage>> {
    let answers = netlink.dump(RouteNetlinkMessage::GetLink(LinkMessage::default())).await?;
    let links = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewLink(message) => Some(message),
        _ => None,
    });
    Ok(links.collect())
}

/// Whether nothing is ever sent on it: the loopback link, or a dummy one.
pub(super) fn leads_nowhere(link: &LinkMessage) -> bool {
    let is_dummy = |info: &LinkInfo| matches!(info, LinkInfo::Kind(InfoKind::Dummy));
    link.header.flags.contains(LinkFlags::Loopback)
        || link.attributes.iter().any(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => infos.iter().any(is_dummy),
            _ => false,
        })
}

pub(super) fn link(message: LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mtu: 0,
        up: message.header.flags.contains(LinkFlags::Up),
        mac: Vec::new(),
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Address(mac) => link.mac = mac,
            _ => {}
        }
    }
    link
}

pub(super) async fn set_up(netlink: &Netlink, index: u32, mtu: u32) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes.extend([LinkAttribute::Mtu(mtu), LinkAttribute::Group(LINK_GROUP)]);
    netlink.order(RouteNetlinkMessage::SetLink(message), 0).await
}

pub(super) async fn delete(netlink: &Netlink, index: u32) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    netlink.order(RouteNetlinkMessage::DelLink(message), 0).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_on_a_loopback_or_a_dummy_link() {
        let of_kind = |kind| {
            let mut message = LinkMessage::default();
            message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]));
            message
        };
        assert!(leads_nowhere(&of_kind(InfoKind::Dummy)));
        assert!(!leads_nowhere(&of_kind(InfoKind::Veth)));
        let mut loopback = LinkMessage::default();
        assert!(!leads_nowhere(&loopback));
        loopback.header.flags = LinkFlags::Loopback | LinkFlags::Up;
        assert!(leads_nowhere(&loopback));
    }
}
