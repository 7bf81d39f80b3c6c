//! Interfaces: what they are called, what they have in each family, and what is set on them in IPv6.

#![expect(unsafe_code, reason = "IP Helper has no safe wrapper")]

use std::io;
use std::iter;
use std::ptr;

use windows_sys::Win32::NetworkManagement::IpHelper::{
    ConvertInterfaceAliasToLuid, ConvertInterfaceLuidToAlias, ConvertInterfaceLuidToGuid,
    GetIpInterfaceEntry, GetIpInterfaceTable, MIB_IPINTERFACE_ROW, SetIpInterfaceEntry,
};
use windows_sys::Win32::NetworkManagement::Ndis::IF_MAX_STRING_SIZE;
use windows_sys::Win32::Networking::WinSock::{AF_INET6, AF_UNSPEC, RouterDiscoveryDisabled};
use windows_sys::core::GUID;

use super::socket_address::{from_luid, to_luid};
use super::table::{check, take};
use crate::network::windows_rows::{self, Adapter, InterfaceRow};

/// UTF-16 units of the longest name, with the zero at its end.
const NAME_LEN: usize = IF_MAX_STRING_SIZE as usize + 1;

/// All interfaces that have IPv4 or IPv6.
pub(super) fn adapters() -> io::Result<Vec<Adapter>> {
    let mut table = ptr::null_mut();
    // SAFETY: `table` receives what is freed below.
    let code = unsafe { GetIpInterfaceTable(AF_UNSPEC, &mut table) };
    // SAFETY: Windows has just given it.
    let rows: Vec<MIB_IPINTERFACE_ROW> = unsafe { take(code, table.cast()) }?;
    let rows: Vec<InterfaceRow> = rows.iter().map(row).collect();
    Ok(windows_rows::adapters(&rows, name_of))
}

/// Whether it has IPv6, or has it already.
pub(super) fn has_ipv6(luid: u64) -> io::Result<bool> {
    Ok(adapters()?.iter().any(|adapter| adapter.luid == luid && adapter.ipv6.is_some()))
}

/// The interface of this name, whatever it has; `None` if there is none.
pub(super) fn luid_of(name: &str) -> Option<u64> {
    let name: Vec<u16> = name.encode_utf16().chain(iter::once(0)).collect();
    let mut luid = from_luid(0);
    // SAFETY: the name ends with a zero.
    let code = unsafe { ConvertInterfaceAliasToLuid(name.as_ptr(), &mut luid) };
    check(code).ok().map(|()| to_luid(&luid))
}

fn row(found: &MIB_IPINTERFACE_ROW) -> InterfaceRow {
    InterfaceRow {
        luid: to_luid(&found.InterfaceLuid),
        index: found.InterfaceIndex,
        is_ipv6: found.Family == AF_INET6,
        mtu: found.NlMtu,
        metric: found.Metric,
        has_automatic_metric: found.UseAutomaticMetric,
        is_connected: found.Connected,
    }
}

/// What the owner calls it; `None` if it has gone.
pub(super) fn name_of(luid: u64) -> Option<String> {
    let mut name = [0; NAME_LEN];
    // SAFETY: Windows writes no more than `NAME_LEN` units, the zero included.
    let code = unsafe { ConvertInterfaceLuidToAlias(&from_luid(luid), name.as_mut_ptr(), NAME_LEN) };
    check(code).ok().map(|()| windows_rows::text(&name))
}

pub(super) fn guid_of(luid: u64) -> io::Result<GUID> {
    let mut guid = GUID::from_u128(0);
    // SAFETY: both are valid for the call.
    check(unsafe { ConvertInterfaceLuidToGuid(&from_luid(luid), &mut guid) })?;
    Ok(guid)
}

/// Makes it a tunnel's end in IPv6: with this MTU, with no neighbour that could have its address, and deaf to what a
/// router might advertise.
pub(super) fn set_up(luid: u64, mtu: u32) -> io::Result<()> {
    change(luid, |row| {
        row.NlMtu = mtu;
        row.DadTransmits = 0;
        row.RouterDiscoveryBehavior = RouterDiscoveryDisabled;
        row.ManagedAddressConfigurationSupported = false;
        row.OtherStatefulConfigurationSupported = false;
    })
}

/// `None` lets Windows choose.
pub(super) fn set_metric(luid: u64, metric: Option<u32>) -> io::Result<()> {
    change(luid, |row| {
        row.UseAutomaticMetric = metric.is_none();
        row.Metric = metric.unwrap_or(row.Metric);
    })
}

/// Changes what it has in IPv6, and leaves all else as it is.
fn change(luid: u64, set: impl FnOnce(&mut MIB_IPINTERFACE_ROW)) -> io::Result<()> {
    let mut row = MIB_IPINTERFACE_ROW {
        Family: AF_INET6,
        InterfaceLuid: from_luid(luid),
        ..MIB_IPINTERFACE_ROW::default()
    };
    // SAFETY: family and interface are given, all else Windows fills.
    check(unsafe { GetIpInterfaceEntry(&mut row) })?;
    set(&mut row);
    // SAFETY: the row is Windows' own, with some values changed.
    check(unsafe { SetIpInterfaceEntry(&mut row) })
}
