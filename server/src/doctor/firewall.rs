//! Whether the host's firewall lets packets through between uplink and tunnel.

use super::patient::Patient;
use crate::config::DEFAULT_INTERFACE;
use crate::packet_filter::{FORWARDED, opening};
use std::io;
use v6tun_cli::doctor::Finding;
use v6tun_host::packet_filter::{Hook, Ruleset};

pub(super) fn check(patient: &Patient) -> Finding {
    let ruleset = match listed(&patient.ruleset) {
        Ok(ruleset) => ruleset,
        Err(skipped) => return skipped,
    };
    let tun = match &patient.config {
        Some(Ok(config)) => config.interface.as_str(),
        _ => DEFAULT_INTERFACE,
    };
    match ruleset.obstacles(Hook::Forward, &FORWARDED, tun).next() {
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
