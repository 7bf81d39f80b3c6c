//! The lab's addresses: documentation prefixes in the article's shape.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The PC, as the flat's own router numbers it.
pub const PC_IPV4: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
/// The second PC.
pub const LAPTOP_IPV4: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 11);
/// The VPS.
pub const VPS_IPV4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 233);
/// The provider's router on the carrier's side: where a relay stands that lies on the way of both PCs.
pub const CARRIER_SIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The site.
pub const SITE_IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
/// The site.
pub const SITE_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x80);
/// The address that the VPS has with prefix length 128.
pub const VPS_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x1301, 0x740, 0x133, 0, 0x113, 0x233);
/// The on-link prefix of the segment.
pub const ON_LINK_PREFIX: &str = "2001:db8:1301:740::/64";
/// The prefix that is routed to a VPS of the shape [`RoutedPrefix`](super::VpsShape::RoutedPrefix).
pub const ROUTED_PREFIX: &str = "2001:db8:1301:7a0::/64";
/// The one address of [`ROUTED_PREFIX`] that stands on that VPS.
pub const ROUTED_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x1301, 0x7a0, 0, 0, 0, 1);
/// The neighbour on the segment.
pub const NEIGHBOUR_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x1301, 0x740, 0x133, 0, 0x113, 0x234);
/// The provider's router on the segment: what the second hop of a traceroute shows.
pub const PROVIDER_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x1301, 0x740, 0, 0, 0, 1);
/// The link-local address that the router advertises itself from.
pub const ROUTER_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x740, 1);
/// The router's second link-local address on the segment.
pub const SECOND_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x740, 2);
/// The site's name, with an A and an AAAA record in every namespace's hosts file.
pub const SITE_NAME: &str = "www.turtle.example";
/// The VPS's name, with an A record.
pub const VPS_NAME: &str = "vps.turtle.example";

/// The sixteen addresses that the VPS has with prefix length 64: `leasable(0)` ends in 2330,
/// `leasable(15)` in 233f.
#[must_use]
pub const fn leasable(index: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0x1301, 0x740, 0xa133, 0, 0x113, 0x2330 + index)
}

/// How many addresses [`leasable`] has.
pub const LEASABLE: u16 = 16;
