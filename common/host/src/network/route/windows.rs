//! The numbers of Windows.

/// `MIB_IPPROTO_NETMGMT`, which all routes have that a program or an administrator has made: Windows has no number
/// that would be v6tun's alone.
pub const ROUTE_PROTOCOL: u8 = 3;

/// A route that asks for no metric adds nothing to its link's.
pub(super) const DEFAULT_METRIC: u32 = 0;

/// `MIB_IPPROTO_LOCAL`: made by Windows itself.
pub(super) const PROTOCOL_KERNEL: u8 = 2;
/// Stands for what a router has advertised: Windows tells that as the route's origin, and of its own protocols none has
/// this number.
pub(in crate::network) const PROTOCOL_RA: u8 = 255;
