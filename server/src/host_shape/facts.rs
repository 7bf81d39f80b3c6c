//! What is to be known of a host before it can be told what it can lend.

use crate::endpoint::is_private;
use crate::uplink::{PROTOCOL_RA, Uplink};
use crate::uplink_guard;
use anyhow::{Context, Result};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use v6tun_host::network::{DefaultRoute, Network, Prefix};
use v6tun_host::socket_use;

/// An address of the IPv6 Internet: any one that the default route alone leads to. Nothing is sent as far as there.
pub(crate) const INTERNET_IPV6: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 1);
/// The same of the IPv4 Internet.
const INTERNET_IPV4: Ipv4Addr = Ipv4Addr::new(1, 0, 0, 1);

/// `RTPROT_BOOT` and `RTPROT_STATIC` (linux/rtnetlink.h): set by a command or by the boot configuration.
const PROTOCOL_BOOT: u8 = 3;
const PROTOCOL_STATIC: u8 = 4;

/// The host as it is found.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) uplink: Uplink,
    /// The address that the kernel gives to what this host itself sends to the IPv6 Internet.
    pub(crate) preferred: Option<Ipv6Addr>,
    /// The uplink's addresses that sockets are bound to, and what these are.
    pub(crate) in_use: Vec<(Ipv6Addr, String)>,
    /// Prefixes that are routed to this host.
    pub(crate) routed: Vec<Prefix>,
    pub(crate) ipv4: PublicIpv4,
}

/// How clients' datagrams can reach this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublicIpv4 {
    /// At this address.
    Public(Ipv4Addr),
    /// At one of a router before it, which translates addresses; this is the host's own.
    BehindNat(Ipv4Addr),
    /// Not by IPv4.
    None,
}

/// Who made the default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteOrigin {
    /// The kernel, from router advertisements.
    KernelRa,
    /// A daemon that listens to router advertisements in the kernel's place.
    DaemonRa,
    /// The administrator, or the boot configuration.
    Static,
    /// A daemon with this `RTPROT_*`.
    Other(u8),
}

impl Facts {
    /// Looks at the host. It changes nothing.
    pub(crate) async fn gather(network: &Network) -> Result<Self> {
        let uplink = Uplink::find(network, None).await?;
        let preferred = match source(network, INTERNET_IPV6.into()).await? {
            Some(IpAddr::V6(address)) => Some(address),
            _ => None,
        };
        let ipv4 = Self::public_ipv4(network).await?;
        let addresses: Vec<Ipv6Addr> = uplink.addresses.iter().map(|entry| entry.address).collect();
        let sockets = socket_use::bound_sockets(&addresses).context("look for sockets on the uplink")?;
        let in_use = sockets.iter().filter_map(|socket| match socket.local.ip().to_canonical() {
            IpAddr::V6(address) => Some((address, uplink_guard::describe(socket))),
            IpAddr::V4(_) => None,
        });
        let in_use = in_use.collect();
        let routed = network.observe(&[]).await?.routed_prefixes(&uplink.link.name);
        Ok(Self { in_use, preferred, routed, ipv4, uplink })
    }

    /// How clients' datagrams can reach the host.
    pub(crate) async fn public_ipv4(network: &Network) -> Result<PublicIpv4> {
        Ok(match source(network, INTERNET_IPV4.into()).await? {
            Some(IpAddr::V4(address)) => PublicIpv4::of(Some(address)),
            _ => PublicIpv4::None,
        })
    }

    /// Why the host cannot do without this address, if it cannot.
    pub(super) fn need(&self, address: Ipv6Addr) -> Option<String> {
        let used = self.in_use.iter().find(|(used, _)| *used == address).map(|(_, why)| why.clone());
        let preferred = self.preferred == Some(address);
        used.or_else(|| preferred.then(|| "this host itself sends from it".to_owned()))
    }
}

/// The source address that the kernel would choose.
async fn source(network: &Network, destination: IpAddr) -> Result<Option<IpAddr>> {
    Ok(network.route_to(destination).await?.and_then(|route| route.source))
}

impl PublicIpv4 {
    /// By the host's source address towards the IPv4 Internet.
    pub(crate) fn of(source: Option<Ipv4Addr>) -> Self {
        match source {
            Some(address) if is_private(address) => Self::BehindNat(address),
            Some(address) => Self::Public(address),
            None => Self::None,
        }
    }
}

impl RouteOrigin {
    /// By what the kernel says of the route.
    pub(crate) fn of(route: &DefaultRoute) -> Self {
        match route.protocol {
            _ if route.learnt_from_ra_by_kernel => Self::KernelRa,
            PROTOCOL_RA => Self::DaemonRa,
            PROTOCOL_BOOT | PROTOCOL_STATIC => Self::Static,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for RouteOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KernelRa => f.write_str("learnt by the kernel from router advertisements"),
            Self::DaemonRa => f.write_str("learnt by a daemon from router advertisements"),
            Self::Static => f.write_str("set statically"),
            Self::Other(protocol) => write!(f, "set by a daemon (protocol {protocol})"),
        }
    }
}
