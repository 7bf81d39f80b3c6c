//! Which addresses the server must not lend, because the VPS or its administrator lives on them.

use crate::config::Config;
use crate::uplink::Uplink;
use anyhow::{Context, Result};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};
use v6tun_cli::Failure;
use v6tun_host::network::Prefix;
use v6tun_host::socket_use::{self, SocketUse};
use v6tun_proto::lease::{Pool, PoolPrefix};

/// Refuses a configuration that could lend what must stay: an address that nobody looks for on the uplink's
/// link, the router's, or the last global one.
pub(crate) fn check(config: &Config, uplink: &Uplink) -> Result<()> {
    if let Pool::Derived(prefix) = config.pool {
        check_prefix(prefix, config.is_routed, uplink)?;
    }
    let named = config.named();
    for address in &named {
        if config.is_routed {
            check_routed(*address, config, uplink)?
        } else {
            check_on_link(*address, uplink)?
        }
        check_place(*address, uplink)?;
    }
    check_last(&named, uplink)
}

/// Addresses that no client may be given.
#[derive(Debug, Default)]
pub(crate) struct Unlendable {
    /// The host's own on any link, its router's, and the subnet-router anycast ones. Those that the file names are
    /// not among them: [`check`] judges them.
    pub(crate) fixed: HashSet<Ipv6Addr>,
    /// Named by the file, but a socket of this host is bound to them, and what to say of that.
    pub(crate) used: Vec<(Ipv6Addr, anyhow::Error)>,
}

impl Unlendable {
    /// Looks at the host's addresses and sockets; `named` are those that the file names.
    pub(crate) fn of(named: &[Ipv6Addr], uplink: &Uplink) -> Result<Self> {
        let elsewhere = uplink.elsewhere.iter().map(|(address, _)| *address);
        let own = elsewhere.chain(uplink.addresses.iter().map(|entry| entry.address));
        let anycast = anycast_prefixes(uplink).map(|prefix| prefix.address);
        let mut fixed: HashSet<Ipv6Addr> = own.chain(anycast).chain(gateway(uplink)).collect();
        fixed.retain(|address| !named.contains(address));
        let mut used: Vec<(Ipv6Addr, anyhow::Error)> = Vec::new();
        for socket in sockets_at(named)? {
            if let IpAddr::V6(address) = socket.local.ip()
                && used.iter().all(|(known, _)| *known != address)
            {
                used.push((address, in_use(&socket)));
            }
        }
        Ok(Self { fixed, used })
    }

    /// All of them.
    pub(crate) fn all(&self) -> HashSet<Ipv6Addr> {
        self.fixed.iter().copied().chain(self.used.iter().map(|(address, _)| *address)).collect()
    }
}

fn gateway(uplink: &Uplink) -> Option<Ipv6Addr> {
    uplink.default_route.as_ref()?.gateway
}

/// Point-to-point links of two addresses have none (RFC 6164).
fn anycast_prefixes(uplink: &Uplink) -> impl Iterator<Item = &Prefix> {
    uplink.prefixes.iter().filter(|prefix| prefix.prefix_len < 127)
}

fn check_prefix(pool: PoolPrefix, is_routed: bool, uplink: &Uplink) -> Result<()> {
    let holds = |prefix: &Prefix| prefix.prefix_len <= pool.len && prefix.contains(pool.address);
    if is_routed || uplink.prefixes.iter().any(holds) {
        return Ok(());
    }
    let (link, prefixes) = (&uplink.link.name, prefixes_of(uplink));
    let what = format!("no address of {pool} can be lent: it is outside the prefix of the uplink {link}");
    let hint =
        format!("{link} has {prefixes}; if the provider routes {pool} to this VPS: [pool] routed = true");
    Err(Failure::failed(what).with_hint(hint).into())
}

/// What is routed here is on no link, neither the uplink's nor another.
fn check_routed(address: Ipv6Addr, config: &Config, uplink: &Uplink) -> Result<()> {
    match config.pool {
        Pool::Derived(prefix) if !prefix.contains(address) => {
            let what = format!("{address} cannot be lent: it is outside the routed prefix {prefix}");
            Err(Failure::failed(what).with_hint("take another address of the prefix").into())
        }
        _ if uplink.standing(address).is_some() => Err(stands_on(address, &uplink.link.name)),
        _ => Ok(()),
    }
}

fn check_on_link(address: Ipv6Addr, uplink: &Uplink) -> Result<()> {
    let link = &uplink.link.name;
    if uplink.is_on_link(address) || uplink.standing(address).is_some() {
        return Ok(());
    }
    let what = format!("{address} cannot be lent: it is outside the prefix of the uplink {link}");
    let hint = match prefixes_of(uplink).as_str() {
        "" => format!("put it there first: ip -6 addr add {address}/128 dev {link}"),
        prefixes => format!("{link} has {prefixes}"),
    };
    Err(Failure::failed(what).with_hint(hint).into())
}

fn prefixes_of(uplink: &Uplink) -> String {
    let prefixes: Vec<String> = uplink.prefixes.iter().map(ToString::to_string).collect();
    prefixes.join(", ")
}

fn stands_on(address: Ipv6Addr, link: &str) -> anyhow::Error {
    let hint = format!("take it out of the pool, or off that interface: ip -6 addr del {address} dev {link}");
    Failure::failed(format!("{address} cannot be lent: it stands on {link}")).with_hint(hint).into()
}

fn check_place(address: Ipv6Addr, uplink: &Uplink) -> Result<()> {
    if anycast_prefixes(uplink).any(|prefix| prefix.address == address) {
        let what = format!("{address} cannot be lent: it is the prefix's subnet-router anycast address");
        return Err(Failure::failed(what)
            .with_hint("take another address of the prefix (RFC 4291, 2.6.1)")
            .into());
    }
    if let Some((_, other)) = uplink.elsewhere.iter().find(|(standing, _)| *standing == address) {
        return Err(stands_on(address, other));
    }
    if gateway(uplink) == Some(address) {
        let what = format!("{address} cannot be lent: it is the default router's");
        return Err(Failure::failed(what).with_hint("take another address of the prefix").into());
    }
    Ok(())
}

/// ICMP errors and the VPS's own traffic need a global address that stays.
fn check_last(named: &[Ipv6Addr], uplink: &Uplink) -> Result<()> {
    let stays = |standing: &Ipv6Addr| !named.contains(standing);
    let mut standing = uplink.addresses.iter().map(|entry| entry.address);
    if uplink.addresses.is_empty() || standing.any(|address| stays(&address)) {
        return Ok(());
    }
    let what = format!("the pool holds every global address of the uplink {}", uplink.link.name);
    let hint = "leave the VPS at least one: it needs it for itself and for ICMP errors";
    Err(Failure::failed(what).with_hint(hint).into())
}

/// Refuses addresses that a socket of this host is bound to. One that does not stand here has none.
pub(crate) fn check_sockets(addresses: &[Ipv6Addr]) -> Result<()> {
    match sockets_at(addresses)?.first() {
        Some(socket) => Err(in_use(socket)),
        None => Ok(()),
    }
}

/// What a socket does with the address that it is bound to.
pub(crate) fn describe(socket: &SocketUse) -> String {
    let process = socket.process.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    match (socket.is_ssh, socket.remote) {
        (true, Some(remote)) => format!("the SSH connection from {remote} uses it"),
        (_, Some(remote)) => format!("a connection with {remote}{process} uses it"),
        (_, None) => format!("port {}{process} is open on it", socket.local.port()),
    }
}

fn sockets_at(addresses: &[Ipv6Addr]) -> Result<Vec<SocketUse>> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    socket_use::bound_sockets(addresses).context("look for sockets that use the pool")
}

fn in_use(socket: &SocketUse) -> anyhow::Error {
    Failure::failed(format!("{} cannot be lent: {}", socket.local.ip(), describe(socket)))
        .with_hint(
            "take it out of the pool, or move that service or connection to another address of the VPS",
        )
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfiguredClient;
    use crate::inbound::Inbound;
    use v6tun_host::network::{DefaultRoute, InterfaceAddress, Link};
    use v6tun_keys::PublicKey;

    fn uplink(standing: &[&str]) -> Uplink {
        let gateway = Some("2001:db8::1".parse().unwrap());
        let (link, protocol, metric) = ("ens3".to_owned(), 4, 1024);
        Uplink {
            link: Link { index: 2, name: "ens3".to_owned(), mtu: 1500, up: true, mac: vec![2; 6] },
            default_route: Some(DefaultRoute {
                link,
                gateway,
                protocol,
                metric,
                learnt_from_ra_by_kernel: false,
            }),
            addresses: standing.iter().map(|a| InterfaceAddress::permanent(a.parse().unwrap(), 64)).collect(),
            prefixes: vec![Prefix { address: "2001:db8::".parse().unwrap(), prefix_len: 64 }],
            listening: Vec::new(),
            elsewhere: Vec::new(),
            has_force_forwarding: true,
            forwards_already: false,
        }
    }

    /// A configuration that names this address, or lends from this prefix.
    fn config(pool: &str, is_routed: bool) -> Config {
        let pool = match pool.parse() {
            Ok(prefix) => Pool::Derived(prefix),
            Err(_) => Pool::Listed(vec![pool.parse().unwrap()]),
        };
        Config { pool, is_routed, ..Config::for_tests() }
    }

    fn client_with(fixed: &str) -> ConfiguredClient {
        ConfiguredClient {
            name: "pc".to_owned(),
            public_key: PublicKey::from_bytes([9; 32]),
            preshared_key: None,
            fixed: Some(fixed.parse().unwrap()),
            inbound: Inbound::default(),
        }
    }

    fn refusal(pool: &str) -> String {
        check(&config(pool, false), &uplink(&[])).expect_err(pool).to_string()
    }

    #[test]
    fn an_address_or_a_prefix_of_another_network_is_refused() {
        for pool in ["2001:db8:1::5", "2001:db8:1::/64", "2001:db8::/48"] {
            assert!(refusal(pool).contains("outside the prefix of the uplink ens3"), "{pool}");
        }
        for pool in ["2001:db8::5", "2001:db8::/64", "2001:db8::ff00/120"] {
            assert!(check(&config(pool, false), &uplink(&[])).is_ok(), "{pool}");
        }
    }

    #[test]
    fn what_is_routed_to_the_host_lies_on_no_link_of_it() {
        for pool in ["2001:db8:1::5", "2001:db8:1::/64"] {
            assert!(check(&config(pool, true), &uplink(&["2001:db8::2"])).is_ok(), "{pool}");
        }
        let error = check(&config("2001:db8::5", true), &uplink(&["2001:db8::5", "2001:db8::6"]));
        assert!(error.unwrap_err().to_string().contains("stands on ens3"));
    }

    #[test]
    fn a_fixed_address_beside_the_routed_prefix_is_refused() {
        let mut config = config("2001:db8:1::/64", true);
        config.clients.push(client_with("2001:db8:2::5"));
        let error = check(&config, &uplink(&[])).unwrap_err().to_string();
        assert!(error.contains("outside the routed prefix 2001:db8:1::/64"), "{error}");
    }

    #[test]
    fn nobody_is_given_an_address_of_the_host_its_routers_or_an_anycast_one() {
        let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
        let uplink =
            Uplink { elsewhere: vec![(address("2001:db8::9"), "lo".to_owned())], ..uplink(&["2001:db8::5"]) };
        let unusable_of = |pool: &str| {
            let mut all: Vec<_> =
                Unlendable::of(&config(pool, false).named(), &uplink).unwrap().fixed.into_iter().collect();
            all.sort();
            all
        };
        let all = ["2001:db8::", "2001:db8::1", "2001:db8::5", "2001:db8::9"].map(address);
        assert_eq!(unusable_of("2001:db8::/64"), all);
        let but_the_listed_one = ["2001:db8::", "2001:db8::1", "2001:db8::9"].map(address);
        assert_eq!(unusable_of("2001:db8::5"), but_the_listed_one);
    }

    #[test]
    fn the_routers_and_the_anycast_address_are_refused() {
        assert!(refusal("2001:db8::1").contains("the default router's"));
        assert!(refusal("2001:db8::").contains("anycast"));
    }

    #[test]
    fn an_address_of_another_interface_is_refused() {
        let address = "2001:db8::5".parse().unwrap();
        let uplink = Uplink { elsewhere: vec![(address, "lo".to_owned())], ..uplink(&[]) };
        assert!(check_place(address, &uplink).unwrap_err().to_string().contains("stands on lo"));
    }

    #[test]
    fn the_last_global_address_stays_with_the_vps() {
        let pool = ["2001:db8::5".parse().unwrap(), "2001:db8::6".parse().unwrap()];
        assert!(check_last(&pool, &uplink(&["2001:db8::5", "2001:db8::6"])).is_err());
        assert!(check_last(&pool, &uplink(&["2001:db8::5", "2001:db8::7"])).is_ok());
    }
}
