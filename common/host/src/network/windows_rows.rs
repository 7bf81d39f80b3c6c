//! What the rows of IP Helper's tables say, in the words of v6tun. Pure.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;

use super::route::PROTOCOL_RA;
use super::{InterfaceAddress, Link, Route, RouteKind, address_flags};

/// `ERROR_FILE_NOT_FOUND`.
const FILE_NOT_FOUND: i32 = 2;
/// `ERROR_NOT_SUPPORTED`: of a family that is switched off.
const NOT_SUPPORTED: i32 = 50;
/// `ERROR_NOT_FOUND`: no such interface, address or route.
const NOT_FOUND: i32 = 1168;
/// `ERROR_NETWORK_UNREACHABLE` and `ERROR_HOST_UNREACHABLE`.
const UNREACHABLE: [i32; 2] = [1231, 1232];
/// `ERROR_OBJECT_ALREADY_EXISTS`.
const ALREADY_EXISTS: i32 = 5010;

/// A lifetime that does not end.
const FOREVER: u32 = u32::MAX;
/// `MIB_IPPROTO_OTHER`.
const PROTOCOL_OTHER: u8 = 1;

/// One family of one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InterfaceRow {
    pub(super) luid: u64,
    pub(super) index: u32,
    pub(super) is_ipv6: bool,
    /// In bytes.
    pub(super) mtu: u32,
    pub(super) metric: u32,
    pub(super) has_automatic_metric: bool,
    pub(super) is_connected: bool,
}

/// One IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AddressRow {
    pub(super) luid: u64,
    pub(super) address: Ipv6Addr,
    pub(super) prefix_len: u8,
    /// `NL_DAD_STATE`.
    pub(super) dad_state: i32,
    /// `NL_SUFFIX_ORIGIN`.
    pub(super) suffix_origin: i32,
    /// In seconds.
    pub(super) valid: u32,
    /// In seconds.
    pub(super) preferred: u32,
}

/// One IPv6 route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RouteRow {
    pub(super) luid: u64,
    pub(super) destination: Ipv6Addr,
    pub(super) prefix_len: u8,
    pub(super) next_hop: Ipv6Addr,
    pub(super) metric: u32,
    /// `NL_ROUTE_PROTOCOL`.
    pub(super) protocol: i32,
    /// Whether a router has advertised it.
    pub(super) is_advertised: bool,
}

/// An interface by name, with what it is told by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Adapter {
    pub(super) luid: u64,
    pub(super) link: Link,
    /// In IPv6, if that is on.
    pub(super) ipv6: Option<InterfaceRow>,
    /// In IPv4, if that is on.
    pub(super) ipv4: Option<InterfaceRow>,
}

impl InterfaceRow {
    /// Its metric as somebody has set it; `None`: Windows chooses it.
    pub(super) fn chosen_metric(&self) -> Option<u32> {
        (!self.has_automatic_metric).then_some(self.metric)
    }
}

/// The interfaces, by the rows of both families: where IPv6 is off, only IPv4 tells of one. One that has gone since,
/// and has no name any more, is left out.
pub(super) fn adapters(rows: &[InterfaceRow], name_of: impl Fn(u64) -> Option<String>) -> Vec<Adapter> {
    let mut by_luid: BTreeMap<u64, (Option<InterfaceRow>, Option<InterfaceRow>)> = BTreeMap::new();
    for row in rows {
        let (ipv6, ipv4) = by_luid.entry(row.luid).or_default();
        *(if row.is_ipv6 { ipv6 } else { ipv4 }) = Some(*row);
    }
    let adapter = |(luid, (ipv6, ipv4)): (u64, (Option<InterfaceRow>, Option<InterfaceRow>))| {
        let row = ipv6.or(ipv4)?;
        let name = name_of(luid).filter(|name| !name.is_empty())?;
        let up = ipv6.is_some_and(|row| row.is_connected);
        let link = Link { index: row.index, name, mtu: row.mtu, up, mac: Vec::new() };
        Some(Adapter { luid, link, ipv6, ipv4 })
    };
    by_luid.into_iter().filter_map(adapter).collect()
}

impl AddressRow {
    /// `IpDadStateTentative`, `IpDadStateDuplicate`; 0 is `IpDadStateInvalid`, of an address that is about to go.
    const INVALID: i32 = 0;
    const TENTATIVE: i32 = 1;
    const DUPLICATE: i32 = 2;
    /// `IpSuffixOriginRandom`, of temporary addresses.
    const RANDOM: i32 = 5;

    /// The address as it stands on its interface.
    pub(super) fn interface_address(&self) -> InterfaceAddress {
        let mut flags = match self.dad_state {
            Self::INVALID | Self::TENTATIVE => address_flags::TENTATIVE,
            Self::DUPLICATE => address_flags::DADFAILED,
            _ => 0,
        };
        if self.suffix_origin == Self::RANDOM {
            flags |= address_flags::TEMPORARY;
        }
        let lifetime = |seconds: u32| Some(seconds).filter(|seconds| *seconds != FOREVER);
        InterfaceAddress {
            flags,
            scope: scope_of(self.address),
            valid: lifetime(self.valid),
            preferred: lifetime(self.preferred),
            ..InterfaceAddress::permanent(self.address, self.prefix_len.min(128))
        }
    }
}

/// `RT_SCOPE_*`.
fn scope_of(address: Ipv6Addr) -> u8 {
    const SITE_LOCAL: u16 = 0xfec0;
    match address {
        address if address.is_loopback() => 254,
        address if address.is_unicast_link_local() => 253,
        address if address.segments()[0] & 0xffc0 == SITE_LOCAL => 200,
        _ => 0,
    }
}

impl RouteRow {
    /// The route over a link of this name.
    pub(super) fn route(&self, link: &str) -> Route {
        let protocol = if self.is_advertised { PROTOCOL_RA } else { protocol_of(self.protocol) };
        Route {
            destination: self.destination,
            prefix_len: self.prefix_len.min(128),
            kind: RouteKind::Unicast,
            link: Some(link.to_owned()),
            gateway: Some(self.next_hop).filter(|next_hop| !next_hop.is_unspecified()),
            metric: self.metric,
            protocol,
        }
    }
}

fn protocol_of(number: i32) -> u8 {
    u8::try_from(number).ok().filter(|number| *number != PROTOCOL_RA).unwrap_or(PROTOCOL_OTHER)
}

/// Whether an error says that the thing is not there.
pub(super) fn is_gone(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(code) => [FILE_NOT_FOUND, NOT_FOUND].contains(&code),
        None => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Whether an error says that a table has no rows, as it has none where IPv6 is switched off.
pub(super) fn is_empty(error: &io::Error) -> bool {
    is_gone(error) || error.raw_os_error() == Some(NOT_SUPPORTED)
}

/// Whether an error says that the thing is there, or one that Windows cannot tell from it.
pub(super) fn is_there(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ALREADY_EXISTS)
}

/// Whether an error says that no way leads to a destination.
pub(super) fn is_unreachable(error: &io::Error) -> bool {
    is_empty(error) || error.raw_os_error().is_some_and(|code| UNREACHABLE.contains(&code))
}

/// What is in the way of a route that Windows does not add: it holds one for each link, prefix and gateway. `Ok` if
/// that is the very same.
pub(super) fn route_in_the_way(wanted: &Route, found: &[Route]) -> io::Result<()> {
    let is_same_entry = |route: &&Route| {
        route.link == wanted.link
            && route.gateway == wanted.gateway
            && (route.destination, route.prefix_len) == (wanted.destination, wanted.prefix_len)
    };
    match found.iter().find(is_same_entry) {
        Some(other) if other.is_same_way_as(wanted) => Ok(()),
        Some(other) => Err(in_the_way(format!("the same route stands there with metric {}", other.metric))),
        None => Err(io::Error::from_raw_os_error(ALREADY_EXISTS)),
    }
}

/// What is in the way of an address that Windows does not add: it stands on another link. `Ok` if it stands on this.
pub(super) fn address_in_the_way(
    wanted: Ipv6Addr,
    link: &str,
    found: &BTreeMap<String, Vec<InterfaceAddress>>,
) -> io::Result<()> {
    let stands = |addresses: &[InterfaceAddress]| addresses.iter().any(|a| a.address == wanted);
    if found.get(link).is_some_and(|addresses| stands(addresses)) {
        return Ok(());
    }
    match found.iter().find(|(_, addresses)| stands(addresses)) {
        Some((other, _)) => Err(in_the_way(format!("it stands on {other} already"))),
        None => Err(io::Error::from_raw_os_error(ALREADY_EXISTS)),
    }
}

fn in_the_way(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, message)
}

/// A name of Windows: what stands in front of the first zero.
pub(super) fn text(units: &[u16]) -> String {
    let len = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(units.get(..len).unwrap_or(units))
}

/// The name servers in a setting's text, which separates them by commas or blanks. What is no IPv6 address is
/// passed over.
pub(super) fn parse_name_servers(text: &str) -> Vec<Ipv6Addr> {
    text.split([',', ' ', ';', '\t']).filter_map(|server| server.parse().ok()).collect()
}

/// The setting's text; empty for none.
pub(super) fn write_name_servers(servers: &[Ipv6Addr]) -> String {
    servers.iter().map(Ipv6Addr::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
