//! A change in words.

use super::Change;
use crate::network::{ChainOpening, Route, SysctlKey};

impl Change {
    /// What it does, without its details: for an error's text.
    pub(crate) fn description(&self) -> String {
        match self {
            Self::SetSysctl { key, to, .. } => format!("set sysctl {key} to {to}"),
            Self::SetAllForwarding { to, .. } => {
                format!("set sysctl {} to {to}", SysctlKey::all_forwarding())
            }
            Self::SetLinkForwarding { link, to, .. } => {
                format!("set sysctl {} to {to}", SysctlKey::forwarding_of(link))
            }
            Self::AddAddress { link, address } => {
                format!("add address {}/{} to {link}", address.address, address.prefix_len)
            }
            Self::DeleteAddress { link, address, .. } => {
                format!("delete address {}/{} from {link}", address.address, address.prefix_len)
            }
            Self::RaiseAddress { link, address, .. } => {
                format!("bring address {}/{} of {link} to the front", address.address, address.prefix_len)
            }
            Self::SetLinkUp { link, mtu } => format!("set link {link} up with mtu {mtu}"),
            Self::AddRoute(route) => format!("add route {}", without_protocol(route)),
            Self::DeleteRoute(route) => format!("delete route {}", without_protocol(route)),
            Self::LoseRouteSource(route) | Self::GiveRouteSource(route) => {
                format!("name source {} in route {}", route.source, route.text)
            }
            Self::SetInterfaceMetric { link, .. } => format!("set the metric of {link}"),
            Self::SetNameServers { link, .. } => format!("set the name servers of {link}"),
            Self::AddFirewallRule(rule) => format!("add the firewall rule \"{}\"", rule.name()),
            Self::DeleteFirewallRule(rule) => format!("delete the firewall rule \"{}\"", rule.name()),
            Self::SetFilterTable(table) => format!("set the table ip6 {} of nftables", table.name),
            Self::DeleteFilterTable(table) => format!("delete the table ip6 {} of nftables", table.name),
            Self::OpenChain(opening) => format!("open {} to {}", named(opening), opening.link),
            Self::CloseChain(opening) => format!("close {} to {}", named(opening), opening.link),
            Self::AddProxy { link, address } => format!("add neighbour proxy {address} on {link}"),
            Self::DeleteProxy { link, address } => format!("delete neighbour proxy {address} on {link}"),
            Self::LeaveTun { link, .. } => format!("leave {link} behind"),
            Self::DeleteTun { link } => format!("delete link {link}"),
            Self::Announce { link, address } => format!("announce {address} on {link}"),
        }
    }
}

fn named(ChainOpening { family, table, chain, .. }: &ChainOpening) -> String {
    format!("the chain {chain} of nftables' table {family} {table}")
}

fn without_protocol(route: &Route) -> String {
    let text = route.to_string();
    text.rsplit_once(" proto ").map_or(text.clone(), |(way, _)| way.to_owned())
}
