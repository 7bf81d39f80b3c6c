//! A VPS whose own firewall drops what is forwarded: it is opened where the administrator wants that, and else told.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Snapshot, wait_until};
use v6tun_tests::product::Deployment;

use crate::tools::must_reach;

const PATIENCE: Duration = Duration::from_secs(15);

/// What these programs put into the kernel, as far as it is about what is forwarded.
const RULESETS: [(&str, &str); 4] = [
    (
        "ufw",
        "table ip6 filter {
             chain FORWARD {
                 type filter hook forward priority filter; policy drop;
                 counter jump ufw6-before-forward
                 counter jump ufw6-user-forward
             }
             chain ufw6-before-forward { ct state related,established counter accept; }
             chain ufw6-user-forward { }
         }",
    ),
    (
        "firewalld",
        "table inet firewalld {
             chain filter_FORWARD {
                 type filter hook forward priority filter + 10; policy accept;
                 ct state { established, related } accept
                 ct status dnat accept
                 ct state invalid drop
                 reject with icmpx admin-prohibited
             }
         }",
    ),
    (
        "Docker",
        "table ip6 filter {
             chain FORWARD {
                 type filter hook forward priority filter; policy drop;
                 counter jump DOCKER-USER
                 counter jump DOCKER-FORWARD
             }
             chain DOCKER-USER { }
             chain DOCKER-FORWARD { ct state related,established counter accept; iifname docker0 counter accept; }
         }",
    ),
    (
        "nftables",
        "table inet mine { chain forward { type filter hook forward priority 0; policy drop; }; }",
    ),
];

#[test]
fn a_firewall_that_drops_is_opened_while_the_server_runs_and_closed_with_down() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let config = fs::read_to_string(deployment.server.config())?;
        deployment.server.write_config(&format!("{config}\n[uplink]\nfirewall = \"open\"\n"))?;
        for (owner, rules) in RULESETS {
            lab.vps.nft(rules)?;
            let before = Snapshot::take(&lab.vps)?;
            let _running = [deployment.server.up()?, deployment.pc.up()?];
            let works = || must_reach(&lab.pc, SITE_IPV6).and_then(|()| must_reach(&lab.site, leasable(0)));
            works().with_context(|| format!("with the rules of {owner}"))?;

            // As on a reload.
            let table = rules.split(" {").next().context("a table")?;
            lab.vps.nft(&format!("delete {table}\n{rules}"))?;
            wait_until("the chain to be opened again", PATIENCE, || {
                Ok(lab.vps.output("nft list ruleset")?.contains("comment \"v6tun\""))
            })?;
            works().with_context(|| format!("after a reload of {owner}"))?;

            deployment.pc.down()?;
            deployment.server.down()?;
            let difference = before.difference(&Snapshot::take(&lab.vps)?);
            ensure!(difference.is_empty(), "{owner}: {difference}");
            lab.vps.nft(&format!("delete {table}"))?;
        }
        Ok(())
    })
}

#[test]
fn what_a_killed_server_has_opened_is_closed_by_down() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let config = fs::read_to_string(deployment.server.config())?;
        deployment.server.write_config(&format!("{config}\n[uplink]\nfirewall = \"open\"\n"))?;
        lab.vps.nft(RULESETS[0].1)?;
        let before = Snapshot::take(&lab.vps)?;
        let mut server = deployment.server.up()?;
        server.kill()?;
        ensure!(lab.vps.output("nft list ruleset")?.contains("comment \"v6tun\""), "nothing was opened");
        deployment.server.down()?;
        let difference = before.difference(&Snapshot::take(&lab.vps)?);
        ensure!(difference.is_empty(), "{difference}");
        Ok(())
    })
}

#[test]
fn a_firewall_that_drops_is_named_with_the_commands_of_its_owner() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let commands =
            ["ufw route allow in on v6tun0", "firewall-cmd", "ip6tables -I FORWARD", "nft insert rule"];
        for ((owner, rules), command) in RULESETS.into_iter().zip(commands) {
            lab.vps.nft(rules)?;
            let mut server = deployment.server.up()?;
            let said = server.stderr();
            ensure!(said.contains("drops what is forwarded") && said.contains(command), "{owner}: {said}");
            let table = rules.split(" {").next().context("a table")?;
            ensure!(
                !lab.vps.output(&format!("nft list {table}"))?.contains("v6tun"),
                "{owner}: it was changed"
            );
            server.stop()?;
            lab.vps.nft(&format!("delete {table}"))?;
        }
        Ok(())
    })
}
