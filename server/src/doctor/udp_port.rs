//! Whether clients' datagrams reach the server's port.

use super::firewall::listed;
use super::patient::{Patient, PortTest, Running};
use crate::host_shape::PublicIpv4;
use v6tun_cli::doctor::Finding;
use v6tun_cli::humanize;
use v6tun_host::packet_filter::{Hook, Obstacle, Owner};
use v6tun_wire::since_unix_seconds;

pub(super) fn check(patient: &Patient) -> Finding {
    let running = match patient.running() {
        Ok(running) => running,
        Err(skipped) => return skipped,
    };
    let port = running.status.listen_port;
    let heard = last_heard(&running);
    match (&patient.port_test, &heard) {
        (Ok(PortTest { by, source: Some(source) }), _) => {
            return Finding::pass(format!(
                "UDP port {port}: {by} reaches it, also from a port that is new, {source}"
            ));
        }
        // One that does not know how, or that no client could be asked.
        (Err(_), Some((name, ago))) => {
            return Finding::pass(format!("UDP port {port}: {name} was heard {ago}"));
        }
        _ => {}
    }
    if let Ok(ruleset) = listed(&patient.ruleset)
        && let Some(obstacle) = ruleset.obstacles(Hook::Input, &["ip", "inet"], &port.to_string()).next()
    {
        return Finding::fail(format!(
            "{obstacle} drops what no rule lets in, and none speaks of UDP port {port}"
        ))
        .expected("a rule that lets clients' datagrams in")
        .mend(opening(&obstacle, port));
    }
    if let (Ok(PortTest { by, source: None }), Some((_, ago))) = (&patient.port_test, &heard) {
        return Finding::warn(format!(
            "UDP port {port}: {by} was heard {ago}, but nothing that it sends from a port that is new"
        ))
        .expected("that too; else a firewall lets in only what it knows, and who comes anew stays out");
    }
    match patient.ipv4 {
        PublicIpv4::Public(address) => {
            Finding::warn(format!("UDP port {port} is open at {address}; nobody was heard yet"))
                .expected("a client; where one tries in vain, the provider's own firewall may keep it out")
        }
        PublicIpv4::BehindNat(address) => Finding::warn(format!(
            "nobody was heard yet, and {address} is behind a router that translates addresses"
        ))
        .expected(format!("UDP port {port} handed on to this host by that router")),
        PublicIpv4::None => Finding::fail("this host has no IPv4 address towards the Internet")
            .expected("one that clients can reach"),
    }
}

/// The client that shook hands last.
fn last_heard<'a>(running: &Running<'a>) -> Option<(&'a str, String)> {
    let clients = running.status.clients.iter();
    let last = clients.max_by_key(|client| client.latest_handshake)?;
    Some((&last.name, humanize::ago(since_unix_seconds(last.latest_handshake?)?)))
}

fn opening(Obstacle { family, table, chain, owner }: &Obstacle, port: u16) -> String {
    match owner {
        Owner::Ufw => format!("ufw allow {port}/udp"),
        Owner::Firewalld => {
            format!("firewall-cmd --permanent --add-port={port}/udp\nfirewall-cmd --reload")
        }
        Owner::Iptables => format!("iptables -I INPUT -p udp --dport {port} -j ACCEPT"),
        Owner::Nftables => format!("nft insert rule {family} {table} {chain} udp dport {port} accept"),
    }
}
