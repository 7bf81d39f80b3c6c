//! IPv6 routes, and the way to an address.

#![expect(unsafe_code, reason = "IP Helper has no safe wrapper")]

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::ptr;

use windows_sys::Win32::NetworkManagement::IpHelper::{
    CreateIpForwardEntry2, DeleteIpForwardEntry2, GetBestRoute2, GetIpForwardTable2, IP_ADDRESS_PREFIX,
    InitializeIpForwardEntry, MIB_IPFORWARD_ROW2,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET6, NlroRouterAdvertisement, SOCKADDR_INET};

use super::socket_address::{from_ip, from_luid, to_ip, to_ipv6, to_luid};
use super::table::{check, take};
use crate::network::windows_rows::{Adapter, RouteRow, is_unreachable};
use crate::network::{Route, RouteTo};

/// All routes over these interfaces.
pub(super) fn over(adapters: &[Adapter]) -> io::Result<Vec<Route>> {
    let routes = all()?.into_iter().filter_map(|row| {
        let adapter = adapters.iter().find(|adapter| adapter.luid == row.luid)?;
        Some(row.route(&adapter.link.name))
    });
    Ok(routes.collect())
}

fn all() -> io::Result<Vec<RouteRow>> {
    let mut table = ptr::null_mut();
    // SAFETY: `table` receives what is freed below.
    let code = unsafe { GetIpForwardTable2(AF_INET6, &mut table) };
    // SAFETY: Windows has just given it.
    let rows: Vec<MIB_IPFORWARD_ROW2> = unsafe { take(code, table.cast()) }?;
    Ok(rows.iter().filter_map(row).collect())
}

fn row(found: &MIB_IPFORWARD_ROW2) -> Option<RouteRow> {
    Some(RouteRow {
        luid: to_luid(&found.InterfaceLuid),
        destination: to_ipv6(&found.DestinationPrefix.Prefix)?,
        prefix_len: found.DestinationPrefix.PrefixLength,
        next_hop: to_ipv6(&found.NextHop)?,
        metric: found.Metric,
        protocol: found.Protocol,
        is_advertised: found.Origin == NlroRouterAdvertisement,
    })
}

pub(super) fn add(luid: u64, route: &Route) -> io::Result<()> {
    // SAFETY: the row is initialized, and names interface, destination and next hop.
    check(unsafe { CreateIpForwardEntry2(&row_of(luid, route)) })
}

pub(super) fn delete(luid: u64, route: &Route) -> io::Result<()> {
    // SAFETY: the row is initialized, and names interface, destination and next hop.
    check(unsafe { DeleteIpForwardEntry2(&row_of(luid, route)) })
}

fn row_of(luid: u64, route: &Route) -> MIB_IPFORWARD_ROW2 {
    let mut row = MIB_IPFORWARD_ROW2::default();
    // SAFETY: it only writes to the row.
    unsafe { InitializeIpForwardEntry(&mut row) };
    row.InterfaceLuid = from_luid(luid);
    let prefix = from_ip(route.destination.into());
    row.DestinationPrefix = IP_ADDRESS_PREFIX { Prefix: prefix, PrefixLength: route.prefix_len };
    row.NextHop = from_ip(route.gateway.unwrap_or(Ipv6Addr::UNSPECIFIED).into());
    row.Metric = route.metric;
    row.Protocol = route.protocol.into();
    row
}

/// How Windows would send to this address; `None` if it would not.
pub(super) fn look_up(destination: IpAddr, adapters: &[Adapter]) -> io::Result<Option<RouteTo>> {
    let wanted = from_ip(destination);
    let (mut row, mut source) = (MIB_IPFORWARD_ROW2::default(), SOCKADDR_INET::default());
    // SAFETY: neither interface nor source is asked for; the rest is valid for the call.
    let code = unsafe { GetBestRoute2(ptr::null(), 0, ptr::null(), &wanted, 0, &mut row, &mut source) };
    match check(code) {
        Ok(()) => Ok(route_to(destination, &row, &source, adapters)),
        Err(error) if is_unreachable(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn route_to(
    destination: IpAddr,
    row: &MIB_IPFORWARD_ROW2,
    source: &SOCKADDR_INET,
    adapters: &[Adapter],
) -> Option<RouteTo> {
    let luid = to_luid(&row.InterfaceLuid);
    let adapter = adapters.iter().find(|adapter| adapter.luid == luid)?;
    let family = if destination.is_ipv6() { adapter.ipv6 } else { adapter.ipv4 };
    let named = |address: &SOCKADDR_INET| to_ip(address).filter(|address| !address.is_unspecified());
    Some(RouteTo {
        destination,
        link: adapter.link.name.clone(),
        mtu: family.map_or(adapter.link.mtu, |family| family.mtu),
        gateway: named(&row.NextHop).filter(|gateway| *gateway != destination),
        source: named(source),
    })
}
