//! Whatever ends the server, the VPS is as it was found.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Snapshot};
use v6tun_tests::product::Deployment;

use crate::tools::must_reach;

/// Lends two addresses of `pool`, takes the server down, and compares.
fn lend_and_take_back(lab: &Lab, pool: [Ipv6Addr; 2]) -> Result<()> {
    let deployment = Deployment::install_with_pool(lab, &pool)?;
    let before = Snapshot::take(&lab.vps)?;
    let mut server = deployment.server.up()?;
    let _clients = (deployment.pc.up()?, deployment.laptop.up()?);
    must_reach(&lab.pc, SITE_IPV6)?;
    ensure!(!before.difference(&Snapshot::take(&lab.vps)?).is_empty(), "nothing was changed at all");
    deployment.server.down()?;
    assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
    assert_eq!(server.wait(Duration::from_secs(1))?, Some(0));
    Ok(())
}

#[test]
fn after_down_the_vps_is_as_before() -> Result<()> {
    Lab::run(&Options::default(), |lab| lend_and_take_back(lab, [leasable(0), leasable(1)]))
}

#[test]
fn after_down_the_preferred_source_is_as_before_even_if_it_was_lent() -> Result<()> {
    Lab::run(&Options::default(), |lab| lend_and_take_back(lab, [leasable(15), leasable(7)]))
}

#[test]
fn after_down_a_vps_that_was_a_router_already_is_still_one() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        lab.vps.set_sysctls(&[
            ("net/ipv6/conf/ens3/accept_ra", "2"),
            ("net/ipv6/conf/all/forwarding", "1"),
            ("net/ipv6/conf/all/proxy_ndp", "1"),
        ])?;
        lend_and_take_back(lab, [leasable(0), leasable(1)])
    })
}

#[test]
fn after_down_addresses_that_run_out_still_do() -> Result<()> {
    let options = Options { vps_address_lifetime: Some(Duration::from_secs(3600)), ..Options::default() };
    Lab::run(&options, |lab| lend_and_take_back(lab, [leasable(0), leasable(1)]))
}

#[test]
fn each_signal_that_asks_for_an_end_restores_the_vps() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            let mut server = deployment.server.up()?;
            let client = deployment.pc.up()?;
            server.signal(signal)?;
            assert_eq!(server.wait(Duration::from_secs(10))?, Some(0), "{signal:?}");
            assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "", "{signal:?}");
            drop(client);
            deployment.pc.down()?;
        }
        Ok(())
    })
}

#[test]
fn down_succeeds_when_nothing_ran() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        deployment.server.down()?;
        deployment.pc.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

#[test]
fn a_second_server_is_refused_and_touches_nothing() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let mut server = deployment.server.up()?;
        let during = Snapshot::take(&lab.vps)?;
        let second = deployment.server.run("up")?;
        assert_eq!(second.code, Some(1), "{second:?}");
        assert_eq!(during.difference(&Snapshot::take(&lab.vps)?), "");
        ensure!(server.is_running()?, "the first one ended");
        Ok(())
    })
}

#[test]
fn what_a_dry_run_prints_is_what_is_done_and_no_setting_else_changes() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let printed = deployment.server.run("up --dry-run")?.stdout;
        let planned: Vec<&str> = printed
            .lines()
            .filter(|line| {
                !line.starts_with("# at start")
                    && !line.starts_with("# when")
                    && !line.starts_with("ip tuntap")
            })
            .collect();
        let before = settings(lab)?;
        let server = deployment.server.up()?;
        let _clients = (deployment.pc.up()?, deployment.laptop.up()?);
        let after = settings(lab)?;

        let said = server.stderr();
        let done: Vec<&str> =
            said.lines().map(|line| line.split_once(" INFO ").map_or(line, |(_, text)| text)).collect();
        let mut rest = done.iter();
        for line in &planned {
            ensure!(rest.any(|done| done == line), "planned, and not done in this order: {line}\n{said}");
        }
        let is_change = |line: &&&str| {
            ["ip ", "sysctl ", "nft ", "# unsolicited"].iter().any(|start| line.starts_with(start))
        };
        assert_eq!(done.iter().filter(is_change).count(), planned.iter().filter(is_change).count(), "{said}");

        let changed =
            before.iter().filter(|(name, value)| after.get(*name) != Some(value)).map(|(name, _)| name);
        let written: BTreeSet<&str> = planned
            .iter()
            .filter_map(|line| line.strip_prefix("sysctl -w ")?.split('=').next())
            .filter(|name| before.contains_key(*name))
            .collect();
        assert_eq!(changed.map(String::as_str).collect::<BTreeSet<_>>(), written);
        Ok(())
    })
}

/// All settings of IPv6 on the VPS, by name.
fn settings(lab: &Lab) -> Result<BTreeMap<String, String>> {
    let said = lab.vps.output("sysctl -a -r ^net.ipv6.(conf|neigh)")?;
    let settings = said.lines().filter_map(|line| line.split_once(" = "));
    Ok(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[test]
fn a_dry_run_touches_nothing() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let finished = deployment.server.run("up --dry-run")?;
        ensure!(finished.success(), "{finished:?}");
        for client in [leasable(0), leasable(1)] {
            let command = format!("ip -6 neigh add proxy {client} dev ens3");
            ensure!(finished.stdout.contains(&command), "{command:?} is missing: {}", finished.stdout);
        }
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}
