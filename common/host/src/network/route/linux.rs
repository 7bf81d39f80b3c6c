//! The numbers of Linux.

/// The route protocol number of v6tun's own routes (`ip route ... proto 118`): one that no routing daemon of
/// `linux/rtnetlink.h` and iproute2's `rt_protos` has.
pub const ROUTE_PROTOCOL: u8 = 118;

/// The metric that the kernel gives to an IPv6 route that asks for none (`IP6_RT_PRIO_USER`).
pub(super) const DEFAULT_METRIC: u32 = 1024;

/// `RTPROT_KERNEL`: made by the kernel itself.
pub(super) const PROTOCOL_KERNEL: u8 = 2;
/// `RTPROT_RA`: learnt from a router advertisement.
pub(in crate::network) const PROTOCOL_RA: u8 = 9;
