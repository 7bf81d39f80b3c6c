//! What an address that is deleted does to routes that are not its own, and how they become as they were.
//!
//! The kernel does two things (`net/ipv6/addrconf.c`). With the last permanent address of a prefix it deletes
//! the link's *first* route to that prefix, whoever made it (`cleanup_prefix_route`). And it strikes the address
//! out of every route of the link that names it as source (`rt6_remove_prefsrc`).

use std::fmt::Write;
use std::net::Ipv6Addr;

use netlink_packet_core::{Emitable, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteProtocol,
};

use crate::network::{InterfaceAddress, Link, Prefix, SourcedRoute};

/// One order to the kernel, with its flags.
pub(super) type Order = (RouteNetlinkMessage, u16);

/// The metric of a prefix route that the kernel makes for an address that asks for none.
const PREFIX_ROUTE_METRIC: u32 = 256;
/// In these units the kernel tells when a route expires: `USER_HZ` to the second.
const TICKS_PER_SECOND: u32 = 100;

/// What must follow the deletion of an address in the same breath. What had the address as source gets back
/// without: there is no such address.
pub(super) fn after_deletion(routes: &[RouteMessage], index: u32, address: &InterfaceAddress) -> Vec<Order> {
    let keep_source = |route: &RouteMessage| source_of(route).filter(|source| *source != address.address);
    lost_prefix_routes(routes, index, address)
        .map(|route| (RouteNetlinkMessage::NewRoute(again(route, keep_source(route))), NLM_F_CREATE))
        .collect()
}

/// What must follow the deletion and addition of an address in the same breath.
pub(super) fn after_raise(routes: &[RouteMessage], index: u32, address: &InterfaceAddress) -> Vec<Order> {
    let lost = lost_prefix_routes(routes, index, address)
        .map(|route| (RouteNetlinkMessage::NewRoute(again(route, source_of(route))), NLM_F_CREATE));
    let forgot_source = routes
        .iter()
        .filter(|route| source_of(route) == Some(address.address) && leads_to(route, index))
        .flat_map(|route| with_source(routes, route, address.address));
    lost.chain(forgot_source).collect()
}

/// The routes that name a source.
pub(super) fn sourced(routes: &[RouteMessage], links: &[Link]) -> Vec<SourcedRoute> {
    let sourced = routes.iter().filter_map(|route| {
        let source = source_of(route)?;
        let link = links.iter().find(|link| leads_to(route, link.index))?.name.clone();
        Some(SourcedRoute { text: text(route, &link), way: way(route), link, source })
    });
    sourced.collect()
}

/// The ways of the routes that name none.
pub(super) fn sourceless_ways(routes: &[RouteMessage]) -> impl Iterator<Item = String> + '_ {
    routes.iter().filter(|route| source_of(route).is_none()).map(way)
}

/// Gives a route its source back; nothing if there is no such route without one.
pub(super) fn give_source(routes: &[RouteMessage], lost: &SourcedRoute) -> Vec<Order> {
    let bare = routes.iter().find(|route| source_of(route).is_none() && way(route) == lost.way);
    bare.map(|route| with_source(routes, route, lost.source)).unwrap_or_default()
}

/// The routes that the kernel may delete with an address, though they are not the address's own.
fn lost_prefix_routes<'a>(
    routes: &'a [RouteMessage],
    index: u32,
    address: &InterfaceAddress,
) -> impl Iterator<Item = &'a RouteMessage> {
    let prefix_of = |address: Ipv6Addr, prefix_len: u8| Prefix { address, prefix_len };
    let prefixes =
        [Some(prefix_of(address.address, address.prefix_len)), address.peer.map(|a| prefix_of(a, 128))];
    let own_metric = address.route_priority.unwrap_or(PREFIX_ROUTE_METRIC);
    prefixes
        .into_iter()
        .flatten()
        .flat_map(move |prefix| first_of_each_table(routes, index, prefix))
        .filter(move |route| route.header.protocol != RouteProtocol::Kernel || metric_of(route) != own_metric)
}

/// Of each table the first of the link's routes to just this prefix without a next router.
fn first_of_each_table(routes: &[RouteMessage], index: u32, prefix: Prefix) -> Vec<&RouteMessage> {
    let mut first: Vec<&RouteMessage> = Vec::new();
    for route in routes {
        let on_link = |attribute: &RouteAttribute| {
            !matches!(
                attribute,
                RouteAttribute::Gateway(_)
                    | RouteAttribute::Via(_)
                    | RouteAttribute::MultiPath(_)
                    | RouteAttribute::NhId(_)
            )
        };
        let is_candidate = route.header.destination_prefix_length == prefix.prefix_len
            && prefix.contains(destination_of(route))
            && leads_to(route, index)
            && route.attributes.iter().all(on_link);
        if is_candidate && !first.iter().any(|other| table_of(other) == table_of(route)) {
            first.push(route);
        }
    }
    first
}

/// A route as it stands, but with this source. The kernel replaces the first route of equal destination and
/// metric, whichever link it leads to: where there are several, the very one is deleted and added.
fn with_source(routes: &[RouteMessage], route: &RouteMessage, source: Ipv6Addr) -> Vec<Order> {
    let place = |route: &RouteMessage| {
        let destination = (destination_of(route), route.header.destination_prefix_length);
        (table_of(route), destination, metric_of(route))
    };
    let new = RouteNetlinkMessage::NewRoute(again(route, Some(source)));
    if routes.iter().filter(|other| place(other) == place(route)).count() < 2 {
        return vec![(new, NLM_F_CREATE | NLM_F_REPLACE)];
    }
    vec![(RouteNetlinkMessage::DelRoute(again(route, None)), 0), (new, NLM_F_CREATE)]
}

/// The order that makes a route as the kernel described it.
fn again(route: &RouteMessage, source: Option<Ipv6Addr>) -> RouteMessage {
    let mut order = bare(route);
    order.attributes.extend(source.map(|source| RouteAttribute::PrefSource(RouteAddress::Inet6(source))));
    let expires = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::CacheInfo(info) if i32::try_from(info.expires).is_ok_and(|ticks| ticks > 0) => {
            Some(RouteAttribute::Expires(info.expires.div_ceil(TICKS_PER_SECOND)))
        }
        _ => None,
    });
    order.attributes.extend(expires);
    order
}

/// A route without its source and without what changes by itself. A next hop that has an object of its own is
/// said by that alone.
fn bare(route: &RouteMessage) -> RouteMessage {
    let mut bare = route.clone();
    bare.header.flags &= RouteFlags::Onlink;
    let has_object = bare.attributes.iter().any(|attribute| matches!(attribute, RouteAttribute::NhId(_)));
    bare.attributes.retain_mut(|attribute| match attribute {
        RouteAttribute::PrefSource(_)
        | RouteAttribute::CacheInfo(_)
        | RouteAttribute::Expires(_)
        | RouteAttribute::MulticastExpires(_) => false,
        RouteAttribute::Oif(_)
        | RouteAttribute::Gateway(_)
        | RouteAttribute::Via(_)
        | RouteAttribute::Encap(_)
        | RouteAttribute::EncapType(_) => !has_object,
        RouteAttribute::MultiPath(hops) => {
            hops.iter_mut().for_each(|hop| hop.flags &= RouteNextHopFlags::Onlink);
            !has_object
        }
        _ => true,
    });
    bare
}

fn way(route: &RouteMessage) -> String {
    let bare = bare(route);
    let mut bytes = vec![0; bare.buffer_len()];
    bare.emit(&mut bytes);
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn text(route: &RouteMessage, link: &str) -> String {
    let destination = match (destination_of(route), route.header.destination_prefix_length) {
        (_, 0) => "default".to_owned(),
        (address, prefix_len) => format!("{address}/{prefix_len}"),
    };
    let gateway = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet6(gateway)) => Some(format!(" via {gateway}")),
        _ => None,
    });
    let table = match table_of(route) {
        number if number == u32::from(RouteHeader::RT_TABLE_MAIN) => String::new(),
        number => format!(" table {number}"),
    };
    format!("{destination}{} dev {link}{table} metric {}", gateway.unwrap_or_default(), metric_of(route))
}

fn source_of(route: &RouteMessage) -> Option<Ipv6Addr> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::PrefSource(RouteAddress::Inet6(source)) => Some(*source),
        _ => None,
    })
}

pub(super) fn destination_of(route: &RouteMessage) -> Ipv6Addr {
    let destination = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet6(address)) => Some(*address),
        _ => None,
    });
    destination.unwrap_or(Ipv6Addr::UNSPECIFIED)
}

fn metric_of(route: &RouteMessage) -> u32 {
    let metric = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Priority(metric) => Some(*metric),
        _ => None,
    });
    metric.unwrap_or(0)
}

pub(super) fn table_of(route: &RouteMessage) -> u32 {
    let table = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    table.unwrap_or_else(|| route.header.table.into())
}

fn leads_to(route: &RouteMessage, index: u32) -> bool {
    route.attributes.iter().any(|attribute| match attribute {
        RouteAttribute::Oif(number) => *number == index,
        RouteAttribute::MultiPath(hops) => hops.iter().any(|hop| hop.interface_index == index),
        _ => false,
    })
}
