//! One change to the host, which prints as the command that it equals.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::{ChainOpening, FilterTable, FirewallRule, InterfaceAddress, Route, SourcedRoute, SysctlKey};

mod description;
mod iproute;
mod windows;

#[cfg(not(windows))]
use iproute as platform;
#[cfg(windows)]
use windows as platform;

/// One change to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Change {
    /// Write a kernel setting.
    SetSysctl {
        /// Which.
        key: SysctlKey,
        /// Its value before; `None`: it did not exist (its link was not there).
        from: Option<String>,
        /// Its value afterwards.
        to: String,
    },
    /// Write `net.ipv6.conf.all.forwarding`, which overwrites the value of every link and of `default`.
    SetAllForwarding {
        /// The value of `all` before.
        from: String,
        /// Its value, and everyone's, afterwards.
        to: String,
        /// Each link's own value before, and `default`'s.
        links: BTreeMap<String, String>,
    },
    /// Write one link's own `forwarding`.
    SetLinkForwarding {
        /// The link's name, or `default`.
        link: String,
        /// Its value before.
        from: String,
        /// Its value afterwards.
        to: String,
        /// The value of `net.ipv6.conf.all.forwarding` at that time.
        all: String,
    },
    /// Put an address on a link, at the front of its scope.
    AddAddress {
        /// The link's name.
        link: String,
        /// The address, as it shall be.
        address: InterfaceAddress,
    },
    /// Take an address off a link.
    DeleteAddress {
        /// The link's name.
        link: String,
        /// The address, as it was.
        address: InterfaceAddress,
        /// All addresses of the link before, in the kernel's order, this one included.
        order: Vec<Ipv6Addr>,
    },
    /// Delete and add an address in one breath, which brings it to the front of its scope.
    RaiseAddress {
        /// The link's name.
        link: String,
        /// The address, as it is.
        address: InterfaceAddress,
        /// All addresses of the link before, in the kernel's order, this one included.
        order: Vec<Ipv6Addr>,
    },
    /// Give a link its MTU and set it up.
    SetLinkUp {
        /// The link's name.
        link: String,
        /// In bytes.
        mtu: u32,
    },
    /// Add a route to the main table.
    AddRoute(Route),
    /// Delete a route from the main table.
    DeleteRoute(Route),
    /// Let the kernel strike the source out of a route, as it does when the address goes. By itself it does
    /// nothing, but it is recorded.
    LoseRouteSource(SourcedRoute),
    /// Name the source in a route again.
    GiveRouteSource(SourcedRoute),
    /// Let the kernel answer neighbour solicitations for an address.
    AddProxy {
        /// The link's name.
        link: String,
        /// The address.
        address: Ipv6Addr,
    },
    /// No longer answer for an address.
    DeleteProxy {
        /// The link's name.
        link: String,
        /// The address.
        address: Ipv6Addr,
    },
    /// Give a link its metric among the IPv6 links (Windows).
    SetInterfaceMetric {
        /// The link's name.
        link: String,
        /// Before; `None`: Windows chose it.
        from: Option<u32>,
        /// Afterwards.
        to: Option<u32>,
    },
    /// Give a link its IPv6 name servers, in the order of their use (Windows).
    SetNameServers {
        /// The link's name.
        link: String,
        /// Before.
        from: Vec<Ipv6Addr>,
        /// Afterwards.
        to: Vec<Ipv6Addr>,
    },
    /// Add a rule to the firewall (Windows). It outlives a boot.
    AddFirewallRule(FirewallRule),
    /// Delete a rule of v6tun's own from the firewall (Windows).
    DeleteFirewallRule(FirewallRule),
    /// Put a table of v6tun's own into nftables, in the place of one that has its name (Linux).
    SetFilterTable(FilterTable),
    /// Take such a table out again (Linux).
    DeleteFilterTable(FilterTable),
    /// Let a link's packets through a chain of somebody else's firewall (Linux).
    OpenChain(ChainOpening),
    /// Take that back (Linux).
    CloseChain(ChainOpening),
    /// Leave the program's own tun behind for the next server, with all that was changed for it. By itself it does
    /// nothing, as only who has the tun open can have it stay, but it is recorded (Linux).
    LeaveTun {
        /// The tun's name.
        link: String,
        /// The link whose addresses are lent.
        uplink: String,
    },
    /// Delete such a tun (Linux).
    DeleteTun {
        /// Its name.
        link: String,
    },
    /// Tell the link's neighbours that the address is here (RFC 4861, 7.2.6). It changes nothing on this host.
    Announce {
        /// The link's name.
        link: String,
        /// The address.
        address: Ipv6Addr,
    },
}

impl Change {
    /// The change that takes this one back, where nothing else has happened; `None` where there is nothing to
    /// take back. [`undo`](super::undo) is what decides from the state that is found.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        match self.clone() {
            Self::SetSysctl { key, from, to } => Some(Self::SetSysctl { key, from: Some(to), to: from? }),
            Self::SetAllForwarding { from, to, links } => {
                let links = links.into_keys().map(|link| (link, to.clone())).collect();
                Some(Self::SetAllForwarding { from: to, to: from, links })
            }
            Self::SetLinkForwarding { link, from, to, all } => {
                Some(Self::SetLinkForwarding { link, from: to, to: from, all })
            }
            Self::AddAddress { link, address } => {
                let order = vec![address.address];
                Some(Self::DeleteAddress { link, address, order })
            }
            Self::DeleteAddress { link, address, .. } => Some(Self::AddAddress { link, address }),
            Self::AddRoute(route) => Some(Self::DeleteRoute(route)),
            Self::DeleteRoute(route) => Some(Self::AddRoute(route)),
            Self::LoseRouteSource(route) => Some(Self::GiveRouteSource(route)),
            Self::GiveRouteSource(route) => Some(Self::LoseRouteSource(route)),
            Self::AddProxy { link, address } => Some(Self::DeleteProxy { link, address }),
            Self::DeleteProxy { link, address } => Some(Self::AddProxy { link, address }),
            Self::SetInterfaceMetric { link, from, to } => {
                Some(Self::SetInterfaceMetric { link, from: to, to: from })
            }
            Self::SetNameServers { link, from, to } => {
                Some(Self::SetNameServers { link, from: to, to: from })
            }
            Self::AddFirewallRule(rule) => Some(Self::DeleteFirewallRule(rule)),
            Self::SetFilterTable(table) => Some(Self::DeleteFilterTable(table)),
            Self::OpenChain(opening) => Some(Self::CloseChain(opening)),
            Self::CloseChain(opening) => Some(Self::OpenChain(opening)),
            Self::LeaveTun { link, .. } => Some(Self::DeleteTun { link }),
            // One that is deleted was v6tun's own.
            Self::DeleteFirewallRule(_) | Self::DeleteFilterTable(_) | Self::DeleteTun { .. } => None,
            Self::RaiseAddress { .. } | Self::SetLinkUp { .. } | Self::Announce { .. } => None,
        }
    }

    /// Whether it is the same change over again: an address may have other lifetimes since.
    pub(super) fn repeats(&self, newer: &Self) -> bool {
        match (self, newer) {
            (
                Self::DeleteAddress { link, address, order },
                Self::DeleteAddress { link: newer_link, address: newer_address, order: newer_order },
            ) => {
                let (valid, preferred) = (newer_address.valid, newer_address.preferred);
                let same = InterfaceAddress { valid, preferred, ..address.clone() };
                link == newer_link && order == newer_order && same == *newer_address
            }
            // It takes the former one's place, and is taken back by the same deletion.
            (Self::SetFilterTable(table), Self::SetFilterTable(newer)) => table.name == newer.name,
            _ => self == newer,
        }
    }

    /// Whether it is about this very address: a route to it alone, its neighbour proxy entry, itself on a link, or the
    /// source that a route loses or gets. With [`release`](super::release) it ends the address's lease.
    #[must_use]
    pub fn concerns(&self, wanted: Ipv6Addr) -> bool {
        match self {
            Self::AddAddress { address, .. }
            | Self::DeleteAddress { address, .. }
            | Self::RaiseAddress { address, .. } => address.address == wanted,
            Self::AddRoute(route) | Self::DeleteRoute(route) => {
                route.prefix_len == 128 && route.destination == wanted
            }
            Self::LoseRouteSource(route) | Self::GiveRouteSource(route) => route.source == wanted,
            Self::AddProxy { address, .. }
            | Self::DeleteProxy { address, .. }
            | Self::Announce { address, .. } => *address == wanted,
            Self::AddFirewallRule(rule) | Self::DeleteFirewallRule(rule) => rule.address == wanted,
            Self::SetInterfaceMetric { .. }
            | Self::SetNameServers { .. }
            | Self::SetSysctl { .. }
            | Self::SetAllForwarding { .. }
            | Self::SetLinkForwarding { .. }
            | Self::SetFilterTable(_)
            | Self::DeleteFilterTable(_)
            | Self::OpenChain(_)
            | Self::CloseChain(_)
            | Self::LeaveTun { .. }
            | Self::DeleteTun { .. }
            | Self::SetLinkUp { .. } => false,
        }
    }

    /// The link, and the address that it puts there or brings to the front, if it does.
    pub(super) fn puts_in_front(&self) -> Option<(&str, Ipv6Addr)> {
        match self {
            Self::AddAddress { link, address } | Self::RaiseAddress { link, address, .. } => {
                Some((link, address.address))
            }
            _ => None,
        }
    }

    /// The setting that it writes, if it writes one.
    #[must_use]
    pub fn setting(&self) -> Option<SysctlKey> {
        match self {
            Self::SetSysctl { key, .. } => Some(key.clone()),
            Self::SetAllForwarding { .. } => Some(SysctlKey::all_forwarding()),
            Self::SetLinkForwarding { link, .. } => Some(SysctlKey::forwarding_of(link)),
            _ => None,
        }
    }

    /// Whether it takes something away, so that finding it gone already is as good.
    pub(crate) fn is_removal(&self) -> bool {
        matches!(
            self,
            Self::DeleteAddress { .. }
                | Self::DeleteRoute(_)
                | Self::DeleteProxy { .. }
                | Self::DeleteFirewallRule(_)
                | Self::DeleteFilterTable(_)
                | Self::CloseChain(_)
                | Self::DeleteTun { .. }
        )
    }

    /// Whether it is still in force after a boot: a firewall's rules are stored.
    pub(crate) fn outlives_boot(&self) -> bool {
        matches!(self, Self::AddFirewallRule(_) | Self::DeleteFirewallRule(_))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        platform::write(self, f)
    }
}

#[cfg(test)]
impl Change {
    /// The command of Linux, on whichever system the test runs.
    pub(super) fn linux_command(&self) -> String {
        struct Command<'a>(&'a Change);
        impl fmt::Display for Command<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                iproute::write(self.0, f)
            }
        }
        Command(self).to_string()
    }
}
