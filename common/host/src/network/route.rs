//! Routes of the main table, and what can be read out of them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

#[cfg(not(windows))]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(not(windows))]
use linux as platform;
#[cfg(windows)]
use windows as platform;

pub(super) use self::platform::PROTOCOL_RA;
pub use self::platform::ROUTE_PROTOCOL;
use self::platform::{DEFAULT_METRIC, PROTOCOL_KERNEL};

/// One IPv6 route of the main table, with one next hop.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// The prefix's first address; `::` with length 0 is the default route.
    pub destination: Ipv6Addr,
    /// 0 to 128.
    pub prefix_len: u8,
    /// What becomes of a packet.
    pub kind: RouteKind,
    /// The link to send on; `None` for an unreachable route.
    pub link: Option<String>,
    /// The next router; `None`: the destination is on the link.
    pub gateway: Option<Ipv6Addr>,
    /// The lower wins; 0 asks for the system's default, which is 1024 on Linux and 0 on Windows. There it is the
    /// route's own part only: its link's is added before routes are compared, by
    /// [`Observed::metric_of`](super::Observed::metric_of) too.
    pub metric: u32,
    /// `RTPROT_*`, on Windows `MIB_IPPROTO_*`: who made it; v6tun's own is [`ROUTE_PROTOCOL`].
    pub protocol: u8,
}

/// What a route does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteKind {
    /// Sent on.
    Unicast,
    /// Answered with ICMPv6 "destination unreachable".
    Unreachable,
}

impl Route {
    /// A route to one address on a link, of v6tun's own protocol and the kernel's default metric.
    #[must_use]
    pub fn to_host(address: Ipv6Addr, link: &str) -> Self {
        Self {
            destination: address,
            prefix_len: 128,
            kind: RouteKind::Unicast,
            link: Some(link.to_owned()),
            gateway: None,
            metric: 0,
            protocol: ROUTE_PROTOCOL,
        }
    }

    /// An unreachable route for one address, for when no better one is left.
    #[must_use]
    pub fn unreachable(address: Ipv6Addr, metric: u32) -> Self {
        Self { kind: RouteKind::Unreachable, link: None, metric, ..Self::to_host(address, "") }
    }

    /// Whether it is the default route.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.prefix_len == 0
    }

    /// Whether the system would take both for the same route: all but the protocol is equal.
    #[must_use]
    pub fn is_same_way_as(&self, other: &Self) -> bool {
        self.is_in_the_way_of(other)
            && self.kind == other.kind
            && self.link == other.link
            && self.gateway == other.gateway
    }

    /// Whether the kernel refuses to add the one beside the other: destination and metric are equal.
    pub(crate) fn is_in_the_way_of(&self, other: &Self) -> bool {
        self.destination == other.destination
            && self.prefix_len == other.prefix_len
            && self.effective_metric() == other.effective_metric()
    }

    pub(crate) fn effective_metric(&self) -> u32 {
        if self.metric == 0 { DEFAULT_METRIC } else { self.metric }
    }

    /// Whether it says that a prefix is on its link: made by the kernel or learnt from a router, without a
    /// gateway, and neither one host's nor link-local.
    pub(crate) fn on_link_prefix(&self) -> Option<Prefix> {
        let usable = self.kind == RouteKind::Unicast
            && self.gateway.is_none()
            && [PROTOCOL_KERNEL, PROTOCOL_RA].contains(&self.protocol)
            && (1..128).contains(&self.prefix_len)
            && !self.destination.is_unicast_link_local()
            && !self.destination.is_multicast();
        usable.then_some(Prefix { address: self.destination, prefix_len: self.prefix_len })
    }
}

impl fmt::Display for Route {
    /// The route as `ip -6 route` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == RouteKind::Unreachable {
            write!(f, "unreachable ")?;
        }
        if self.is_default() {
            write!(f, "default")?;
        } else {
            write!(f, "{}/{}", self.destination, self.prefix_len)?;
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(link) = &self.link {
            write!(f, " dev {link}")?;
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        write!(f, " proto {}", self.protocol)
    }
}

/// An IPv6 prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// The prefix's first address.
    pub address: Ipv6Addr,
    /// 0 to 128.
    pub prefix_len: u8,
}

impl Prefix {
    /// The prefix of this length that an address lies in.
    #[must_use]
    pub fn of(address: Ipv6Addr, prefix_len: u8) -> Self {
        let prefix = Self { address, prefix_len };
        Self { address: Ipv6Addr::from_bits(address.to_bits() & prefix.mask()), prefix_len }
    }

    /// Whether the address lies in the prefix.
    #[must_use]
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        (self.address.to_bits() ^ address.to_bits()) & self.mask() == 0
    }

    /// Whether some address lies in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.prefix_len.min(128))).unwrap_or(0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// The way to the IPv6 Internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRoute {
    /// The uplink.
    pub link: String,
    /// The router; `None` where the uplink is point to point.
    pub gateway: Option<Ipv6Addr>,
    /// As a route's.
    pub protocol: u8,
    /// The lower wins; with its link's part, where it has one.
    pub metric: u32,
    /// Whether the kernel learnt it from a router advertisement (`proto ra` on a link whose `accept_ra` is not
    /// 0), so that it goes when `accept_ra` no longer lets the kernel listen. A daemon that hears
    /// advertisements itself marks its routes `proto ra` too, but turns the kernel's `accept_ra` off.
    pub learnt_from_ra_by_kernel: bool,
}

/// How the host would send to one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTo {
    /// The destination that was asked for.
    pub destination: IpAddr,
    /// The link that it leaves by.
    pub link: String,
    /// The largest packet, in bytes: the route's own MTU where it has one, else the link's.
    pub mtu: u32,
    /// The next router; `None`: the destination is on the link, or this host itself.
    pub gateway: Option<IpAddr>,
    /// The source address that the kernel would choose.
    pub source: Option<IpAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_prints_as_ip_takes_it() {
        let address = "2001:db8::1".parse().unwrap();
        let own = ROUTE_PROTOCOL;
        assert_eq!(
            Route::to_host(address, "v6tun0").to_string(),
            format!("2001:db8::1/128 dev v6tun0 proto {own}")
        );
        assert_eq!(
            Route::unreachable(address, 4096).to_string(),
            format!("unreachable 2001:db8::1/128 metric 4096 proto {own}")
        );
    }

    #[test]
    fn a_prefix_contains_its_own_addresses_only() {
        let prefix = |text: &str, prefix_len| Prefix { address: text.parse().unwrap(), prefix_len };
        assert!(prefix("2001:db8::", 64).contains("2001:db8::ffff:0:0:1".parse().unwrap()));
        assert!(!prefix("2001:db8::", 64).contains("2001:db8:0:1::1".parse().unwrap()));
        assert!(prefix("::", 0).contains("2001:db8::1".parse().unwrap()));
        assert!(!prefix("2001:db8::1", 128).contains("2001:db8::2".parse().unwrap()));
        assert_eq!(Prefix::of("2001:db8::1:2".parse().unwrap(), 112), prefix("2001:db8::1:0", 112));
        assert!(prefix("2001:db8::", 48).overlaps(&prefix("2001:db8:0:1::", 64)));
        assert!(prefix("2001:db8:0:1::", 64).overlaps(&prefix("2001:db8::", 48)));
        assert!(!prefix("2001:db8:0:1::", 64).overlaps(&prefix("2001:db8:0:2::", 64)));
    }
}
