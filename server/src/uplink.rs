//! The uplink as it is found: which interface, which prefix, who taught it the default route.

use anyhow::Result;
use std::net::Ipv6Addr;
use v6tun_cli::Failure;
use v6tun_host::network::{
    DefaultRoute, InterfaceAddress, Journal, Link, Network, Observed, Prefix, Route, SysctlKey, as_found,
};

/// `RTPROT_RA` (linux/rtnetlink.h): learnt from a router advertisement.
pub(crate) const PROTOCOL_RA: u8 = 9;

/// Bits of the prefix of a link on which identifiers are made (RFC 4291, section 2.5.4).
pub(crate) const INTERFACE_PREFIX: u8 = 64;

/// What `uplink_plan` needs to know of the host.
#[derive(Clone, Debug)]
pub(crate) struct Uplink {
    pub(crate) link: Link,
    /// The default route, if it points to this link.
    pub(crate) default_route: Option<DefaultRoute>,
    /// Global addresses in the kernel's order: the first is preferred as a source.
    pub(crate) addresses: Vec<InterfaceAddress>,
    /// Addresses on the host's other links, and these links' names.
    pub(crate) elsewhere: Vec<(Ipv6Addr, String)>,
    /// Links whose routes or addresses the kernel keeps alive from router advertisements, and would lose when
    /// an interface begins to forward.
    pub(crate) listening: Vec<String>,
    /// Prefixes whose addresses neighbours look for on the link.
    pub(crate) prefixes: Vec<Prefix>,
    /// Whether the kernel can forward between two interfaces without making the host a router
    /// (Linux 6.17 and later).
    pub(crate) has_force_forwarding: bool,
    /// Whether the whole host forwards already.
    pub(crate) forwards_already: bool,
}

impl Uplink {
    /// Looks at the host: the named interface, or the one that the IPv6 default route points to.
    pub(crate) async fn find(network: &Network, named: Option<&str>) -> Result<Self> {
        Self::of(&network.observe(&[]).await?, network, named)
    }

    /// The host as it was before it was changed as the journal says.
    pub(crate) async fn find_as_found(
        network: &Network,
        journal: &Journal,
        named: Option<&str>,
    ) -> Result<Self> {
        let observed = network.observe_for_undo(journal.entries()).await?;
        Self::of(&as_found(journal.entries(), &observed), network, named)
    }

    /// `network` tells of settings that a server does not change.
    fn of(observed: &Observed, network: &Network, named: Option<&str>) -> Result<Self> {
        let default_route = observed.default_route();
        let name = match (named, &default_route) {
            (Some(name), _) => name,
            (None, Some(route)) => route.link.as_str(),
            (None, None) => return Err(no_default_route()),
        };
        let Some(link) = observed.link(name).cloned() else {
            let there: Vec<&str> = observed.links.iter().map(|link| link.name.as_str()).collect();
            return Err(no_such_interface(name, &there));
        };
        let has_ipv6 = network.sysctl(&SysctlKey::ipv6_conf(name, "disable_ipv6")?)?.as_deref() == Some("0");
        let (addresses, prefixes) = global_addresses(observed, name);
        if !has_ipv6 || (addresses.is_empty() && prefixes.is_empty()) {
            return Err(no_ipv6(name));
        }
        let force_forwarding = SysctlKey::ipv6_conf(name, "force_forwarding")?;
        let others = observed.addresses.iter().filter(|(link, _)| *link != name);
        let elsewhere =
            others.flat_map(|(link, all)| all.iter().map(|entry| (entry.address, link.clone()))).collect();
        let mut listening = Vec::new();
        for link in &observed.links {
            if loses_by_forwarding(observed, &link.name, name)? {
                listening.push(link.name.clone());
            }
        }
        Ok(Self {
            elsewhere,
            listening,
            has_force_forwarding: network.sysctl(&force_forwarding)?.is_some(),
            forwards_already: observed.forwards(),
            default_route: default_route.clone().filter(|route| route.link == name),
            link,
            addresses,
            prefixes,
        })
    }

    /// The addresses and prefixes as they are now.
    pub(crate) fn look_again(&mut self, observed: &Observed) {
        (self.addresses, self.prefixes) = global_addresses(observed, &self.link.name);
    }

    /// Whether a neighbour on the link may look for this address there.
    pub(crate) fn is_on_link(&self, address: Ipv6Addr) -> bool {
        self.prefixes.iter().any(|prefix| prefix.contains(address))
    }

    /// The address's entry, if it stands on the uplink itself.
    pub(crate) fn standing(&self, address: Ipv6Addr) -> Option<&InterfaceAddress> {
        self.addresses.iter().find(|standing| standing.address == address)
    }
}

/// Those of a link, and the prefixes on it.
fn global_addresses(observed: &Observed, link: &str) -> (Vec<InterfaceAddress>, Vec<Prefix>) {
    let addresses: Vec<_> =
        observed.addresses_of(link).iter().filter(|entry| is_global(entry.address)).cloned().collect();
    let prefixes = on_link_prefixes(observed, link, &addresses);
    (addresses, prefixes)
}

/// By the routes; and by the addresses themselves, whose prefix somebody else may keep the route of.
fn on_link_prefixes(observed: &Observed, link: &str, addresses: &[InterfaceAddress]) -> Vec<Prefix> {
    let mut prefixes = observed.on_link_prefixes(link);
    for entry in addresses.iter().filter(|entry| entry.prefix_len < 128) {
        let prefix = Prefix::of(entry.address, entry.prefix_len);
        if !prefixes.contains(&prefix) {
            prefixes.push(prefix);
        }
    }
    prefixes
}

/// Whether the kernel itself listens to router advertisements on the link (`accept_ra` 1), and that matters. The
/// first interface that forwards costs every link that is not at 2 its learnt default route
/// (`net/ipv6/addrconf.c`, `rt6_purge_dflt_routers`), and a link that forwards no longer listens.
fn loses_by_forwarding(observed: &Observed, link: &str, uplink: &str) -> Result<bool> {
    if observed.sysctl(&SysctlKey::ipv6_conf(link, "accept_ra")?) != Some("1") {
        return Ok(false);
    }
    let of_link = |route: &&Route| route.link.as_deref() == Some(link);
    let has_learnt = observed.routes.iter().filter(of_link).any(|route| route.protocol == PROTOCOL_RA)
        || observed.addresses_of(link).iter().any(|address| address.valid.is_some());
    Ok(link == uplink || has_learnt)
}

fn no_default_route() -> anyhow::Error {
    Failure::failed("no uplink: this host has no IPv6 default route")
        .with_hint(
            "turn IPv6 on at your provider's panel, then check: ip -6 route show default; or name the interface: [uplink] interface = \"ens3\"",
        )
        .into()
}

fn no_such_interface(name: &str, there: &[&str]) -> anyhow::Error {
    Failure::failed(format!("the uplink {name}: there is no such interface"))
        .with_hint(format!("this host has {}", there.join(", ")))
        .into()
}

fn no_ipv6(link: &str) -> anyhow::Error {
    Failure::failed(format!("the uplink {link} has no IPv6: no global address and no prefix"))
        .with_hint(format!("turn IPv6 on at your provider's panel, then check: ip -6 addr show dev {link}"))
        .into()
}

/// 2000::/3, the only space from which global unicast is assigned (RFC 4291, section 2.5.4).
pub(crate) fn is_global(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xe000 == 0x2000
}

#[cfg(test)]
impl Uplink {
    /// The article's VPS, with three of its addresses.
    pub(crate) fn for_tests() -> Self {
        let route = DefaultRoute {
            link: "ens3".to_owned(),
            gateway: Some("fe80::740:1".parse().unwrap()),
            protocol: 9,
            metric: 1024,
            learnt_from_ra_by_kernel: true,
        };
        let address = |text: &str, prefix_len| InterfaceAddress::permanent(text.parse().unwrap(), prefix_len);
        Uplink {
            link: Link { index: 2, name: "ens3".to_owned(), mtu: 1500, up: true, mac: vec![2; 6] },
            default_route: Some(route),
            addresses: vec![
                address("2001:db8::2331", 64),
                address("2001:db8::2330", 64),
                address("2001:db8::233", 128),
            ],
            prefixes: vec![Prefix { address: "2001:db8::".parse().unwrap(), prefix_len: 64 }],
            listening: vec!["ens3".to_owned()],
            elsewhere: Vec::new(),
            has_force_forwarding: true,
            forwards_already: false,
        }
    }
}
