//! A change as the command of iproute2 or procps that it equals.

use std::fmt;

use super::{Change, windows};
use crate::network::{ChainOpening, LINK_GROUP, SourcedRoute, SysctlKey};

pub(super) fn write(change: &Change, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match change {
        Change::SetSysctl { key, to, .. } => write!(f, "sysctl -w {key}={to}"),
        Change::SetAllForwarding { to, .. } => {
            write!(f, "sysctl -w {}={to}", SysctlKey::all_forwarding())
        }
        Change::SetLinkForwarding { link, to, .. } => {
            write!(f, "sysctl -w {}={to}", SysctlKey::forwarding_of(link))
        }
        Change::AddAddress { link, address } => {
            write!(f, "ip -6 addr add ")?;
            address.write_add_arguments(f, link)
        }
        Change::DeleteAddress { link, address, .. } => {
            write!(f, "ip -6 addr del ")?;
            address.write_identity(f)?;
            write!(f, " dev {link}")
        }
        Change::RaiseAddress { link, address, .. } => {
            write!(f, "ip -6 addr del ")?;
            address.write_identity(f)?;
            write!(f, " dev {link} && ip -6 addr add ")?;
            address.write_add_arguments(f, link)
        }
        Change::SetLinkUp { link, mtu } => {
            write!(f, "ip link set dev {link} mtu {mtu} group {LINK_GROUP} up")
        }
        Change::AddRoute(route) => write!(f, "ip -6 route add {route}"),
        Change::DeleteRoute(route) => write!(f, "ip -6 route del {route}"),
        Change::LoseRouteSource(SourcedRoute { text, source, .. }) => {
            write!(f, "# the kernel strikes src {source} out of the route {text}")
        }
        Change::GiveRouteSource(SourcedRoute { text, source, .. }) => {
            write!(f, "ip -6 route change {text} src {source}")
        }
        Change::AddProxy { link, address } => write!(f, "ip -6 neigh add proxy {address} dev {link}"),
        Change::DeleteProxy { link, address } => write!(f, "ip -6 neigh del proxy {address} dev {link}"),
        Change::SetFilterTable(table) => write!(f, "nft -f - <<'END'\n{table}END"),
        Change::OpenChain(opening) => write!(f, "nft -f - <<'END'\n{opening}END"),
        Change::CloseChain(ChainOpening { family, table, chain, link }) => {
            write!(f, "# delete the rules with {link} and comment \"v6tun\" from {family} {table} {chain}")
        }
        Change::DeleteFilterTable(table) => write!(f, "nft delete table ip6 {}", table.name),
        Change::SetInterfaceMetric { .. }
        | Change::SetNameServers { .. }
        | Change::AddFirewallRule(_)
        | Change::DeleteFirewallRule(_) => windows::write(change, f),
        Change::LeaveTun { link, uplink } => {
            write!(f, "# {link} and what was changed on {uplink} stay for the next start")
        }
        Change::DeleteTun { link } => write!(f, "ip link del dev {link}"),
        Change::Announce { link, address } => {
            write!(f, "# unsolicited neighbour advertisement for {address} on {link}")
        }
    }
}
