//! Whether the host's firewall lets packets through between uplink and tunnel.

use super::patient::Patient;
use crate::config::DEFAULT_INTERFACE;
use std::io;
use v6tun_cli::doctor::Finding;
use v6tun_host::packet_filter::{Hook, Obstacle, Owner, Ruleset};

pub(super) fn check(patient: &Patient) -> Finding {
    let ruleset = match listed(&patient.ruleset) {
        Ok(ruleset) => ruleset,
        Err(skipped) => return skipped,
    };
    let tun = match &patient.config {
        Some(Ok(config)) => config.interface.as_str(),
        _ => DEFAULT_INTERFACE,
    };
    match ruleset.obstacle(Hook::Forward, &["ip6", "inet"], tun) {
        None => Finding::pass("no chain that drops what it forwards"),
        Some(obstacle) => Finding::fail(format!("{obstacle} drops what no rule lets through"))
            .expected(format!("rules that let the packets of {tun} through"))
            .mend(opening(&obstacle, tun)),
    }
}

/// The rules, if they can be had.
pub(super) fn listed(ruleset: &io::Result<Ruleset>) -> Result<&Ruleset, Finding> {
    ruleset.as_ref().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Finding::skip("there is no nft to ask (Debian package nftables)"),
        _ => Finding::skip(format!("nft does not tell the rules: {error}")),
    })
}

/// The commands with which the firewall's own tool lets the tunnel's packets through.
fn opening(Obstacle { family, table, chain, owner }: &Obstacle, tun: &str) -> String {
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
