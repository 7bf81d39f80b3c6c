//! IPv6 addresses on interfaces.

#![expect(unsafe_code, reason = "IP Helper has no safe wrapper")]

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;
use std::ptr;

use windows_sys::Win32::NetworkManagement::IpHelper::{
    CreateUnicastIpAddressEntry, DeleteUnicastIpAddressEntry, GetUnicastIpAddressTable,
    InitializeUnicastIpAddressEntry, MIB_UNICASTIPADDRESS_ROW,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET6, IpDadStatePreferred};

use super::socket_address::{from_ip, from_luid, to_ipv6, to_luid};
use super::table::{check, take};
use crate::network::InterfaceAddress;
use crate::network::windows_rows::{Adapter, AddressRow};

/// A lifetime that does not end.
const FOREVER: u32 = u32::MAX;

/// Every interface's addresses, by its name.
pub(super) fn by_link(adapters: &[Adapter]) -> io::Result<BTreeMap<String, Vec<InterfaceAddress>>> {
    let mut addresses: BTreeMap<String, Vec<InterfaceAddress>> = BTreeMap::new();
    for row in all()? {
        if let Some(adapter) = adapters.iter().find(|adapter| adapter.luid == row.luid) {
            addresses.entry(adapter.link.name.clone()).or_default().push(row.interface_address());
        }
    }
    Ok(addresses)
}

/// Whether all these addresses stand somewhere and are in use.
pub(super) fn are_usable(wanted: &[Ipv6Addr]) -> io::Result<bool> {
    let rows = all()?;
    let is_usable = |address: &Ipv6Addr| {
        rows.iter().any(|row| row.address == *address && row.interface_address().is_usable())
    };
    Ok(wanted.iter().all(is_usable))
}

fn all() -> io::Result<Vec<AddressRow>> {
    let mut table = ptr::null_mut();
    // SAFETY: `table` receives what is freed below.
    let code = unsafe { GetUnicastIpAddressTable(AF_INET6, &mut table) };
    // SAFETY: Windows has just given it.
    let rows: Vec<MIB_UNICASTIPADDRESS_ROW> = unsafe { take(code, table.cast()) }?;
    Ok(rows.iter().filter_map(row).collect())
}

fn row(found: &MIB_UNICASTIPADDRESS_ROW) -> Option<AddressRow> {
    Some(AddressRow {
        luid: to_luid(&found.InterfaceLuid),
        address: to_ipv6(&found.Address)?,
        prefix_len: found.OnLinkPrefixLength,
        dad_state: found.DadState,
        suffix_origin: found.SuffixOrigin,
        valid: found.ValidLifetime,
        preferred: found.PreferredLifetime,
    })
}

/// Puts an address on an interface, to be used at once and as a source, too.
pub(super) fn add(luid: u64, address: &InterfaceAddress) -> io::Result<()> {
    let mut row = row_of(luid, address.address);
    row.OnLinkPrefixLength = address.prefix_len;
    row.ValidLifetime = address.valid.unwrap_or(FOREVER);
    row.PreferredLifetime = address.preferred.unwrap_or(FOREVER);
    row.DadState = IpDadStatePreferred;
    row.SkipAsSource = false;
    // SAFETY: the row is initialized, and names interface and address.
    check(unsafe { CreateUnicastIpAddressEntry(&row) })
}

pub(super) fn delete(luid: u64, address: Ipv6Addr) -> io::Result<()> {
    // SAFETY: the row is initialized, and names interface and address.
    check(unsafe { DeleteUnicastIpAddressEntry(&row_of(luid, address)) })
}

fn row_of(luid: u64, address: Ipv6Addr) -> MIB_UNICASTIPADDRESS_ROW {
    let mut row = MIB_UNICASTIPADDRESS_ROW::default();
    // SAFETY: it only writes to the row.
    unsafe { InitializeUnicastIpAddressEntry(&mut row) };
    row.InterfaceLuid = from_luid(luid);
    row.Address = from_ip(address.into());
    row
}
