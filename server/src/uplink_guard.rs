//! Which addresses the server must not lend, because the VPS or its administrator lives on them.

use crate::config::Config;
use crate::uplink::Uplink;
use anyhow::{Context, Result};
use std::net::Ipv6Addr;
use v6tun_cli::Failure;
use v6tun_host::socket_use::{self, SocketUse};

/// Refuses a configuration that could lend what must stay: an address that is not on the uplink's link,
/// the router's, one in use by a socket of this host, or the last global one.
pub(crate) fn check(config: &Config, uplink: &Uplink) -> Result<()> {
    let lendable: Vec<Ipv6Addr> = config.lendable().collect();
    for address in &lendable {
        check_place(*address, uplink)?;
    }
    check_last(&lendable, uplink)?;
    check_sockets(&lendable)
}

fn check_place(address: Ipv6Addr, uplink: &Uplink) -> Result<()> {
    let link = &uplink.link.name;
    if !uplink.is_on_link(address) && uplink.standing(address).is_none() {
        let prefixes: Vec<String> = uplink.prefixes.iter().map(ToString::to_string).collect();
        let what = format!("{address} cannot be lent: it is outside the prefix of the uplink {link}");
        return Err(Failure::failed(what).with_hint(format!("{link} has {}", prefixes.join(", "))).into());
    }
    if uplink.prefixes.iter().any(|prefix| prefix.prefix_len < 127 && prefix.address == address) {
        let what = format!("{address} cannot be lent: it is the prefix's subnet-router anycast address");
        return Err(Failure::failed(what)
            .with_hint("take another address of the prefix (RFC 4291, 2.6.1)")
            .into());
    }
    if let Some((_, other)) = uplink.elsewhere.iter().find(|(standing, _)| *standing == address) {
        let what = format!("{address} cannot be lent: it stands on {other}");
        let hint =
            format!("take it out of the pool, or off that interface: ip -6 addr del {address} dev {other}");
        return Err(Failure::failed(what).with_hint(hint).into());
    }
    if uplink.default_route.as_ref().and_then(|route| route.gateway) == Some(address) {
        let what = format!("{address} cannot be lent: it is the default router's");
        return Err(Failure::failed(what).with_hint("take another address of the prefix").into());
    }
    Ok(())
}

/// ICMP errors and the VPS's own traffic need a global address that stays.
fn check_last(lendable: &[Ipv6Addr], uplink: &Uplink) -> Result<()> {
    let stays = |standing: &Ipv6Addr| !lendable.contains(standing);
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
    if addresses.is_empty() {
        return Ok(());
    }
    let sockets = socket_use::bound_sockets(addresses).context("look for sockets that use the pool")?;
    match sockets.first() {
        Some(socket) => Err(in_use(socket)),
        None => Ok(()),
    }
}

fn in_use(socket: &SocketUse) -> anyhow::Error {
    let address = socket.local.ip();
    let process = socket.process.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    let use_ = match (socket.is_ssh, socket.remote) {
        (true, Some(remote)) => format!("the SSH connection from {remote} uses it"),
        (_, Some(remote)) => format!("a connection with {remote}{process} uses it"),
        (_, None) => format!("port {}{process} is open on it", socket.local.port()),
    };
    Failure::failed(format!("{address} cannot be lent: {use_}"))
        .with_hint(
            "take it out of the pool, or move that service or connection to another address of the VPS",
        )
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use v6tun_host::network::{DefaultRoute, InterfaceAddress, Link, Prefix};

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

    fn refusal(address: &str) -> String {
        check_place(address.parse().unwrap(), &uplink(&[])).expect_err(address).to_string()
    }

    #[test]
    fn an_address_of_another_network_is_refused() {
        assert!(refusal("2001:db8:1::5").contains("outside the prefix of the uplink ens3"));
        assert!(check_place("2001:db8::5".parse().unwrap(), &uplink(&[])).is_ok());
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
