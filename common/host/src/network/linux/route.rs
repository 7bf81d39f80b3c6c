//! Routes of the main table.

use std::io;
use std::net::{IpAddr, Ipv6Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::bystanders::{destination_of, table_of};
use super::netlink::Netlink;
use crate::network::{Link, Prefix, ROUTE_PROTOCOL, Route, RouteKind, RouteTo};

/// `RT_TABLE_LOCAL`.
pub(super) const TABLE_LOCAL: u8 = 255;
const TABLE_MAIN: u8 = RouteHeader::RT_TABLE_MAIN;

/// The IPv6 routes of all tables but the kernel's own (`local`), in the kernel's words and order.
pub(super) async fn dump_messages(netlink: &Netlink) -> io::Result<Vec<RouteMessage>> {
    let mut routes = dump_all_messages(netlink).await?;
    routes.retain(|route| !is_of_local_table(route));
    Ok(routes)
}

/// The IPv6 routes of all tables.
pub(super) async fn dump_all_messages(netlink: &Netlink) -> io::Result<Vec<RouteMessage>> {
    let answers = netlink.dump(every_ipv6_route()).await?;
    let routes = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(message) if !message.header.flags.contains(RouteFlags::Cloned) => {
            Some(message)
        }
        _ => None,
    });
    Ok(routes.collect())
}

/// Whether the kernel keeps the route in the table of its own.
pub(super) fn is_of_local_table(route: &RouteMessage) -> bool {
    route.header.table == TABLE_LOCAL
}

/// The prefix that ends at this host by this route: one of the main table that refuses or swallows what no better
/// route leads on, as a delegation leaves behind, or one that receives more than one address.
pub(super) fn end(route: &RouteMessage) -> Option<Prefix> {
    let header = &route.header;
    let table = table_of(route);
    let is_end = match header.kind {
        RouteType::Unreachable | RouteType::BlackHole | RouteType::Prohibit => table == u32::from(TABLE_MAIN),
        RouteType::Local => [TABLE_MAIN, TABLE_LOCAL].map(u32::from).contains(&table),
        _ => false,
    };
    (is_end && !is_ours(route) && header.destination_prefix_length < 128)
        .then(|| Prefix { address: destination_of(route), prefix_len: header.destination_prefix_length })
}

fn every_ipv6_route() -> RouteNetlinkMessage {
    let mut request = RouteMessage::default();
    request.header.address_family = AddressFamily::Inet6;
    RouteNetlinkMessage::GetRoute(request)
}

/// Whether it has v6tun's own protocol.
pub(super) fn is_ours(route: &RouteMessage) -> bool {
    u8::from(route.header.protocol) == ROUTE_PROTOCOL
}

/// The routes of the main table, one for each next hop.
pub(super) fn of_main_table(messages: &[RouteMessage], links: &[Link]) -> Vec<Route> {
    messages.iter().flat_map(|message| parse(message, links)).collect()
}

fn parse(message: &RouteMessage, links: &[Link]) -> Vec<Route> {
    let header = &message.header;
    let kind = match header.kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::Unreachable => RouteKind::Unreachable,
        _ => return Vec::new(),
    };
    let mut table = u32::from(header.table);
    let mut first = Route {
        destination: Ipv6Addr::UNSPECIFIED,
        prefix_len: header.destination_prefix_length,
        kind,
        link: None,
        gateway: None,
        metric: 0,
        protocol: header.protocol.into(),
    };
    let mut next_hops = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => first.destination = *address,
            RouteAttribute::Priority(metric) => first.metric = *metric,
            RouteAttribute::MultiPath(hops) => next_hops.clone_from(hops),
            _ => read_next_hop(&mut first, attribute, links),
        }
    }
    if table != u32::from(RouteHeader::RT_TABLE_MAIN) {
        return Vec::new();
    }
    if kind == RouteKind::Unreachable {
        // The kernel hangs such routes on the loopback link.
        first.link = None;
    }
    if next_hops.is_empty() {
        return vec![first];
    }
    let hop = |hop: netlink_packet_route::route::RouteNextHop| {
        let mut route = Route { link: name_of(hop.interface_index, links), ..first.clone() };
        hop.attributes.iter().for_each(|attribute| read_next_hop(&mut route, attribute, links));
        route
    };
    next_hops.into_iter().map(hop).collect()
}

fn read_next_hop(route: &mut Route, attribute: &RouteAttribute, links: &[Link]) {
    match attribute {
        RouteAttribute::Oif(index) => route.link = name_of(*index, links),
        RouteAttribute::Gateway(RouteAddress::Inet6(gateway)) => route.gateway = Some(*gateway),
        _ => {}
    }
}

fn name_of(index: u32, links: &[Link]) -> Option<String> {
    links.iter().find(|link| link.index == index).map(|link| link.name.clone())
}

pub(super) async fn add(netlink: &Netlink, route: &Route, index: Option<u32>) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewRoute(message(route, index));
    netlink.order(message, NLM_F_CREATE | NLM_F_EXCL).await
}

pub(super) async fn delete(netlink: &Netlink, route: &Route, index: Option<u32>) -> io::Result<()> {
    netlink.order(RouteNetlinkMessage::DelRoute(message(route, index)), 0).await
}

fn message(route: &Route, index: Option<u32>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    message.header.destination_prefix_length = route.prefix_len;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = route.protocol.into();
    message.header.scope = RouteScope::Universe;
    message.header.kind = match route.kind {
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Unreachable => RouteType::Unreachable,
    };
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Destination(RouteAddress::Inet6(route.destination)));
    attributes.extend(route.gateway.map(|gateway| RouteAttribute::Gateway(RouteAddress::Inet6(gateway))));
    attributes.extend(index.map(RouteAttribute::Oif));
    if route.metric != 0 {
        attributes.push(RouteAttribute::Priority(route.metric));
    }
    message
}

/// What `ip route get` asks.
pub(super) async fn look_up(
    netlink: &Netlink,
    destination: IpAddr,
    links: &[Link],
) -> io::Result<Option<RouteTo>> {
    let mut request = RouteMessage::default();
    let (family, prefix_len) = match destination {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    request.header.address_family = family;
    request.header.destination_prefix_length = prefix_len;
    request.attributes.push(RouteAttribute::Destination(destination.into()));
    match netlink.question(RouteNetlinkMessage::GetRoute(request)).await {
        Ok(Some(RouteNetlinkMessage::NewRoute(message))) => Ok(route_to(destination, &message, links)),
        Ok(_) => Ok(None),
        Err(error) if is_unreachable(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_unreachable(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let unreachable = [Errno::NETUNREACH, Errno::HOSTUNREACH, Errno::ACCESS, Errno::INVAL];
    error.raw_os_error().is_some_and(|code| unreachable.contains(&Errno::from_raw_os_error(code)))
}

fn route_to(destination: IpAddr, message: &RouteMessage, links: &[Link]) -> Option<RouteTo> {
    let refused = [RouteType::Unreachable, RouteType::BlackHole, RouteType::Prohibit];
    if refused.contains(&message.header.kind) {
        return None;
    }
    let (mut link, mut mtu, mut gateway, mut source) = (None, None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => link = links.iter().find(|link| link.index == *index),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(bytes) if *bytes != 0 => Some(*bytes),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    let link = link?;
    let mtu = mtu.map_or(link.mtu, |mtu| mtu.min(link.mtu));
    Some(RouteTo { destination, link: link.name.clone(), mtu, gateway, source })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}
