//! Addresses on links.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope, CacheInfo,
};
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::bystanders::{self, Order};
use super::netlink::{Netlink, orders_in_one_breath};
use crate::network::{InterfaceAddress, Link, address_flags};

/// A lifetime that does not end (`INFINITY_LIFE_TIME`).
const FOREVER: u32 = u32::MAX;

/// Every link's IPv6 addresses in the kernel's order.
pub(super) async fn dump(
    netlink: &Netlink,
    links: &[Link],
) -> io::Result<BTreeMap<String, Vec<InterfaceAddress>>> {
    let mut request = AddressMessage::default();
    request.header.family = AddressFamily::Inet6;
    let mut addresses: BTreeMap<String, Vec<InterfaceAddress>> = BTreeMap::new();
    for answer in netlink.dump(RouteNetlinkMessage::GetAddress(request)).await? {
        let RouteNetlinkMessage::NewAddress(message) = answer else { continue };
        let link = links.iter().find(|link| link.index == message.header.index);
        if let (Some(link), Some(address)) = (link, parse(&message)) {
            addresses.entry(link.name.clone()).or_default().push(address);
        }
    }
    Ok(addresses)
}

/// Every link's IPv4 addresses of global scope in the kernel's order.
pub(super) async fn dump_ipv4(
    netlink: &Netlink,
    links: &[Link],
) -> io::Result<BTreeMap<String, Vec<Ipv4Addr>>> {
    let mut request = AddressMessage::default();
    request.header.family = AddressFamily::Inet;
    let mut addresses: BTreeMap<String, Vec<Ipv4Addr>> = BTreeMap::new();
    for answer in netlink.dump(RouteNetlinkMessage::GetAddress(request)).await? {
        let RouteNetlinkMessage::NewAddress(message) = answer else { continue };
        let link = links.iter().find(|link| link.index == message.header.index);
        let address = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
            _ => None,
        });
        if let (Some(link), Some(address), AddressScope::Universe) = (link, address, message.header.scope) {
            addresses.entry(link.name.clone()).or_default().push(address);
        }
    }
    Ok(addresses)
}

fn parse(message: &AddressMessage) -> Option<InterfaceAddress> {
    let mut found = InterfaceAddress {
        prefix_len: message.header.prefix_len,
        flags: u32::from(message.header.flags.bits()),
        scope: message.header.scope.into(),
        ..InterfaceAddress::permanent(Ipv6Addr::UNSPECIFIED, 0)
    };
    let (mut local, mut address) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(IpAddr::V6(value)) => local = Some(*value),
            AddressAttribute::Address(IpAddr::V6(value)) => address = Some(*value),
            AddressAttribute::Flags(flags) => found.flags = flags.bits(),
            AddressAttribute::CacheInfo(info) => {
                found.valid = (info.ifa_valid != FOREVER).then_some(info.ifa_valid);
                found.preferred = (info.ifa_preferred != FOREVER).then_some(info.ifa_preferred);
            }
            AddressAttribute::Protocol(protocol) => found.protocol = u8::from(*protocol),
            AddressAttribute::RoutePriority(metric) => found.route_priority = Some(*metric),
            _ => {}
        }
    }
    found.address = local.or(address)?;
    found.peer = local.and(address).filter(|peer| *peer != found.address);
    Some(found)
}

/// Puts an address on a link, ready for use at once: without duplicate address detection.
pub(super) fn add(index: u32, address: &InterfaceAddress) -> io::Result<()> {
    first_error(orders_in_one_breath(additions(index, address))?)
}

/// Deletes an address, and in the same breath puts back what other routes the kernel deletes with it.
pub(super) fn delete(index: u32, address: &InterfaceAddress, routes: &[RouteMessage]) -> io::Result<()> {
    let mut orders = vec![deletion(index, address)];
    orders.extend(bystanders::after_deletion(routes, index, address));
    let mut results = orders_in_one_breath(orders)?;
    results.remove(0)?;
    results.into_iter().try_for_each(unless_it_stayed)
}

/// Deletes and adds an address, which brings it to the front. No kill falls between. What arrives meanwhile is for a
/// [stand-in](super::stand_in). `routes` are all that stand: those that suffer are mended in the same breath.
pub(super) fn raise(index: u32, address: &InterfaceAddress, routes: &[RouteMessage]) -> io::Result<()> {
    let mut orders = vec![deletion(index, address)];
    orders.extend(additions(index, address));
    let own = orders.len();
    orders.extend(bystanders::after_raise(routes, index, address));
    let mut results = orders_in_one_breath(orders)?;
    let others = results.split_off(own);
    // Gone already: the addition is all that matters.
    drop(results.remove(0));
    first_error(results)?;
    others.into_iter().try_for_each(unless_it_stayed)
}

fn first_error(results: Vec<io::Result<()>>) -> io::Result<()> {
    results.into_iter().collect()
}

/// A route that the kernel left alone is there already when it is put back.
fn unless_it_stayed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn deletion(index: u32, address: &InterfaceAddress) -> Order {
    (RouteNetlinkMessage::DelAddress(message(index, address, address.configured_flags())), 0)
}

/// Adds without duplicate address detection, for the address was in use on this link before, and then takes
/// that flag back where it was not set. An address that was found to be a duplicate is looked at anew.
///
/// The prefix route comes only with the second step: of an address that has one already, the kernel would take
/// the link's first route to the prefix for it, and replace that one (`modify_prefix_route`).
fn additions(index: u32, address: &InterfaceAddress) -> Vec<Order> {
    let flags = address.configured_flags();
    let was_duplicate = address.flags & address_flags::DADFAILED != 0;
    let new = |flags| RouteNetlinkMessage::NewAddress(message(index, address, flags));
    if was_duplicate || flags & address_flags::NODAD != 0 {
        return vec![(new(flags), NLM_F_CREATE | NLM_F_EXCL)];
    }
    let first = flags | address_flags::NODAD | address_flags::NOPREFIXROUTE;
    vec![(new(first), NLM_F_CREATE | NLM_F_EXCL), (new(flags), NLM_F_REPLACE)]
}

fn message(index: u32, address: &InterfaceAddress, flags: u32) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.prefix_len = address.prefix_len;
    message.header.scope = address.scope.into();
    message.header.index = index;
    let low_byte = flags.to_le_bytes()[0];
    message.header.flags = AddressHeaderFlags::from_bits_retain(low_byte);
    let mut lifetimes = CacheInfo::default();
    lifetimes.ifa_valid = address.valid.unwrap_or(FOREVER);
    lifetimes.ifa_preferred = address.preferred.unwrap_or(FOREVER);
    message.attributes = vec![
        AddressAttribute::Local(IpAddr::V6(address.address)),
        AddressAttribute::Address(IpAddr::V6(address.peer.unwrap_or(address.address))),
        AddressAttribute::Flags(AddressFlags::from_bits_retain(flags)),
        AddressAttribute::CacheInfo(lifetimes),
    ];
    message.attributes.extend(address.route_priority.map(AddressAttribute::RoutePriority));
    if address.protocol != 0 {
        message.attributes.push(AddressAttribute::Protocol(address.protocol.into()));
    }
    message
}
