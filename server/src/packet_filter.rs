//! The server's own table of nftables: a second lock behind the tunnel's filter, and forwarding for the tunnel alone; and
//! the way through chains of the host's own firewall.
//!
//! [`table`] is pure; [`requirements`] asks what this host can have, and needs.

use crate::config::{Config, Firewall};
use crate::inbound::Inbound;
use crate::uplink::Uplink;
use anyhow::Result;
use std::io;
use std::net::Ipv6Addr;
use tracing::warn;
use v6tun_cli::Failure;
use v6tun_host::network::{FilterTable, LINK_GROUP, PortRange, Requirement};
use v6tun_host::packet_filter::{Hook, Obstacle, Owner, check_table, list_ruleset};

/// The families of tables that IPv6 packets pass.
pub(crate) const FORWARDED: [&str; 2] = ["ip6", "inet"];

/// What a name may consist of to stand in a rule as it is: `*` at its end would name others as well.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte))
}

/// The table; `None` where an interface has a name that cannot be written in a rule.
///
/// - What comes from the tunnel must have a source whose route leads there, and only leases have one: the check of
///   RFC 3704, section 2.2.
/// - On a host that has not forwarded before, only packets to and from tunnels of v6tun pass, whichever server's they
///   are, and from this one only by its uplink or into such a tunnel.
/// - To a client that is guarded only answers come in, echo requests (RFC 4890, section 4.3.1), and its open ports.
pub(crate) fn table(config: &Config, uplink: &Uplink, guarded: &[Guarded]) -> Option<FilterTable> {
    let (link, tun) = (&uplink.link.name, &config.interface);
    if !(is_plain(link) && is_plain(tun)) {
        return None;
    }
    let mut rules = vec![format!(r#"iifname "{tun}" fib saddr . iif oif missing counter drop"#)];
    if !uplink.forwards_already {
        rules.push(format!(r#"iifname "{tun}" oifname != "{link}" oifgroup != {LINK_GROUP} counter drop"#));
        rules.push(format!("iifgroup != {LINK_GROUP} oifgroup != {LINK_GROUP} counter drop"));
    }
    let guard = if guarded.is_empty() {
        String::new()
    } else {
        rules.push(format!(r#"oifname "{tun}" ip6 daddr @guarded jump guard"#));
        guard(guarded)
    };
    let body = format!(
        "{guard}\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;\n\t\t{}\n\t}}",
        rules.join("\n\t\t")
    );
    Some(FilterTable { name: name(tun), body })
}

/// A client to whom not everything may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guarded {
    pub(crate) address: Ipv6Addr,
    pub(crate) inbound: Inbound,
}

/// The sets of addresses and ports, and the chain that looks into them. Only where there is somebody to guard does the
/// kernel track connections for it.
fn guard(guarded: &[Guarded]) -> String {
    let ports = |of: fn(&Inbound) -> &Vec<PortRange>| {
        let all =
            guarded.iter().flat_map(|client| of(&client.inbound).iter().map(|ports| (client.address, ports)));
        all.map(|(address, ports)| format!("{address} . {ports}")).collect::<Vec<_>>()
    };
    let addresses: Vec<String> = guarded.iter().map(|client| client.address.to_string()).collect();
    let mut sets =
        format!("\tset guarded {{ type ipv6_addr; elements = {{ {} }}; }}\n", addresses.join(", "));
    let mut rules =
        vec!["ct state established,related accept".to_owned(), "icmpv6 type echo-request accept".to_owned()];
    for (protocol, open) in [("tcp", ports(|inbound| &inbound.tcp)), ("udp", ports(|inbound| &inbound.udp))] {
        if !open.is_empty() {
            let elements = open.join(", ");
            sets += &format!(
                "\tset open_{protocol} {{ type ipv6_addr . inet_service; flags interval; elements = {{ {elements} }}; }}\n"
            );
            rules.push(format!("ip6 daddr . {protocol} dport @open_{protocol} accept"));
        }
    }
    rules.push("counter drop".to_owned());
    format!("{sets}\tchain guard {{\n\t\t{}\n\t}}\n", rules.join("\n\t\t"))
}

/// An interface's name as a word of nft's language.
fn name(tun: &str) -> String {
    let word: String = tun.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if word.starts_with(|c: char| c.is_ascii_alphabetic()) { word } else { format!("tun_{word}") }
}

/// What must be true of the host's packet filters before anything is forwarded.
///
/// # Errors
/// When a client is to be guarded, and this host cannot see to that.
pub(crate) fn requirements(
    config: &Config,
    uplink: &Uplink,
    guarded: &[Guarded],
) -> Result<Vec<Requirement>> {
    Ok(own_table(config, uplink, guarded)?.into_iter().chain(chains_of_others(config)).collect())
}

/// Where the configuration says so, chains that would drop the tunnel's packets are opened; else the commands that open
/// them are told.
fn chains_of_others(config: &Config) -> Option<Requirement> {
    let link = &config.interface;
    let obstacles =
        || Ok::<_, io::Error>(list_ruleset()?.obstacles(Hook::Forward, &FORWARDED, link).collect());
    match (config.firewall, obstacles()) {
        (Firewall::Open, Ok(_)) => Some(Requirement::ForwardingOpen { link: link.clone() }),
        (Firewall::Open, Err(error)) => {
            warn!("the host's firewall is not looked at (Debian package nftables): {error}");
            None
        }
        (Firewall::Print, obstacles) => {
            let obstacles: Vec<Obstacle> = obstacles.unwrap_or_default();
            for obstacle in obstacles {
                let commands = opening(&obstacle, link).replace('\n', "; ");
                warn!(
                    "{obstacle} drops what is forwarded; `firewall = \"open\"` under [uplink] opens it, or: {commands}"
                );
            }
            None
        }
    }
}

/// The commands with which the firewall's own tool lets the tunnel's packets through.
pub(crate) fn opening(Obstacle { family, table, chain, owner }: &Obstacle, tun: &str) -> String {
    match owner {
        Owner::Ufw => format!("ufw route allow in on {tun}\nufw route allow out on {tun}"),
        Owner::Firewalld => format!(
            "firewall-cmd --permanent --zone=trusted --add-interface={tun}\n\
             firewall-cmd --permanent --new-policy=v6tun\n\
             firewall-cmd --permanent --policy=v6tun --add-ingress-zone=ANY --add-egress-zone=trusted --set-target=ACCEPT\n\
             firewall-cmd --reload"
        ),
        Owner::Iptables => {
            format!("ip6tables -I FORWARD -i {tun} -j ACCEPT\nip6tables -I FORWARD -o {tun} -j ACCEPT")
        }
        Owner::Nftables => format!(
            "nft insert rule {family} {table} {chain} iifname {tun} accept\n\
             nft insert rule {family} {table} {chain} oifname {tun} accept"
        ),
    }
}

/// The table as something that must be true. `None`, with a warning, where this host has no `nft` or its kernel does
/// not take the rules: the tunnel's own filter is the first lock, and works without. Who is to be guarded is not served
/// without a guard.
pub(crate) fn own_table(
    config: &Config,
    uplink: &Uplink,
    guarded: &[Guarded],
) -> Result<Option<Requirement>> {
    let checked = match table(config, uplink, guarded) {
        Some(table) => check_table(&table).map(|()| table),
        None => Err(io::Error::other("an interface's name cannot be written in a rule")),
    };
    match (checked, guarded.first()) {
        (Ok(table), _) => Ok(Some(Requirement::FilterTable(table))),
        (Err(error), None) => {
            warn!("no rules for nftables, which would be a second lock (Debian package nftables): {error}");
            Ok(None)
        }
        (Err(error), Some(client)) => {
            let what = format!(
                "{} is to get answers alone, and this host cannot see to that: {error}",
                client.address
            );
            let hint = "install nftables (apt install nftables), or say `allow` of that client";
            Err(Failure::failed(what).with_hint(hint).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uplink::Uplink;

    #[test]
    fn on_a_host_that_was_a_router_only_sources_are_looked_at() {
        let config = Config::for_tests();
        let uplink = Uplink::for_tests();
        let rules = |uplink: &Uplink| table(&config, uplink, &[]).unwrap().body.matches("drop").count();
        assert_eq!(rules(&uplink), 3);
        assert_eq!(rules(&Uplink { forwards_already: true, ..uplink }), 1);
    }

    #[test]
    fn a_table_has_a_name_that_nft_can_read() {
        assert_eq!(name("v6tun0"), "v6tun0");
        assert_eq!(name("my-tun.6"), "my_tun_6");
        assert_eq!(name("6tun"), "tun_6tun");
    }

    #[test]
    fn a_name_that_would_match_others_is_put_in_no_rule() {
        let uplink = Uplink::for_tests();
        for interface in ["tun*", "a\"b", "a{b"] {
            assert_eq!(
                table(&Config { interface: interface.to_owned(), ..Config::for_tests() }, &uplink, &[]),
                None
            );
        }
    }
}
