//! What must be true of the host.

use std::net::Ipv6Addr;

use super::{FilterTable, FirewallRule, Route, SysctlKey};

/// One thing that must be true. The order of a slice of them is the order in which they are made true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// The setting has this value.
    Sysctl {
        /// Which setting.
        key: SysctlKey,
        /// Its value, without white space around it.
        value: String,
    },
    /// The address does not stand on the link.
    AddressAbsent {
        /// The link's name.
        link: String,
        /// The address, of whatever prefix length.
        address: Ipv6Addr,
    },
    /// The address stands on the link.
    AddressPresent {
        /// The link's name.
        link: String,
        /// The address.
        address: Ipv6Addr,
        /// 0 to 128.
        prefix_len: u8,
    },
    /// The link is up and has this MTU; where that is to be made so, it comes into [v6tun's group](super::LINK_GROUP).
    LinkUp {
        /// The link's name. It is taken for the program's own: nothing is undone to it.
        link: String,
        /// In bytes, at least 1280.
        mtu: u32,
    },
    /// The link has this metric among the IPv6 links, the lower wins (Windows).
    InterfaceMetric {
        /// The link's name.
        link: String,
        /// 1 and more.
        metric: u32,
    },
    /// The link has these IPv6 name servers and no others (Windows).
    NameServers {
        /// The link's name.
        link: String,
        /// In the order of their use.
        servers: Vec<Ipv6Addr>,
    },
    /// The interface has these rules of v6tun's in the firewall and no others (Windows).
    FirewallRules {
        /// The tunnel's interface.
        interface: String,
        /// In any order.
        rules: Vec<FirewallRule>,
    },
    /// The table stands in nftables as it is here (Linux).
    FilterTable(FilterTable),
    /// No chain of somebody else's firewall drops what is forwarded from or to the link (Linux).
    ForwardingOpen {
        /// The link's name.
        link: String,
    },
    /// The route is in the main table.
    Route(Route),
    /// The kernel answers neighbour solicitations for the address on the link.
    Proxy {
        /// The link's name.
        link: String,
        /// The address.
        address: Ipv6Addr,
    },
}

impl Requirement {
    /// Follows a link that has another name now.
    pub fn rename_link(&mut self, from: &str, to: &str) {
        let name = match self {
            Self::Sysctl { key, .. } => key.link_mut(),
            Self::Route(route) => route.link.as_mut(),
            Self::AddressAbsent { link, .. }
            | Self::AddressPresent { link, .. }
            | Self::LinkUp { link, .. }
            | Self::InterfaceMetric { link, .. }
            | Self::NameServers { link, .. }
            | Self::FirewallRules { interface: link, .. }
            | Self::ForwardingOpen { link }
            | Self::Proxy { link, .. } => Some(link),
            // Its rules are made anew.
            Self::FilterTable(_) => None,
        };
        if let Some(name) = name.filter(|name| *name == from) {
            to.clone_into(name);
        }
    }
}
