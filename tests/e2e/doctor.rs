//! `doctor` names each broken link of the chain by the check that is about it, and says what mends it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, wait_until};
use v6tun_tests::product::{Deployment, Installation};

use crate::options;
use crate::tools::must_reach;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The lab's page in the place of the Internet's.
pub(crate) const TURTLE: &str = "--turtle http://www.turtle.example/";

/// What one check said.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) status: String,
    pub(crate) seen: String,
    pub(crate) mend: Option<String>,
}

/// All that `doctor` says, by check.
pub(crate) fn examine(installation: &Installation) -> Result<Vec<(String, Found)>> {
    let turtle = if installation.program() == "v6tun-client" { TURTLE } else { "" };
    examine_with(installation, turtle)
}

pub(crate) fn examine_with(installation: &Installation, options: &str) -> Result<Vec<(String, Found)>> {
    let finished = installation.run(&format!("doctor --json {options}"))?;
    let report: Value = serde_json::from_str(&finished.stdout).with_context(|| format!("{finished:?}"))?;
    ensure!(report["version"] == 1, "{report}");
    let checks = report["checks"].as_array().context("checks")?;
    let found: Vec<(String, Found)> = checks
        .iter()
        .map(|check| {
            let text = |name: &str| check[name].as_str().map(str::to_owned);
            let found = Found {
                status: text("status").context("status")?,
                seen: text("seen").context("seen")?,
                mend: text("mend"),
            };
            Ok((text("name").context("name")?, found))
        })
        .collect::<Result<_>>()?;
    let has_failed = found.iter().any(|(_, found)| found.status == "fail");
    ensure!(finished.code == Some(i32::from(has_failed)), "exit code {:?} of {report}", finished.code);
    Ok(found)
}

pub(crate) fn check(installation: &Installation, name: &str) -> Result<Found> {
    pick(examine(installation)?, name)
}

pub(crate) fn pick(all: Vec<(String, Found)>, name: &str) -> Result<Found> {
    let said = format!("{all:?}");
    all.into_iter().find(|(other, _)| other == name).map(|(_, found)| found).context(said)
}

#[test]
fn the_clients_doctor_sees_the_turtle_dance_and_ends_with_that() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _running = [deployment.server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        wait_until("a round trip", PATIENCE, || Ok(check(&deployment.pc, "round-trip")?.status == "pass"))?;
        for (name, found) in examine(&deployment.pc)? {
            // Nobody keeps the clock of the machine that the tests run on; not every system lets a program ping.
            let may_skip = ["clock", "path-mtu"].contains(&name.as_str()) && found.status != "fail";
            ensure!(found.status == "pass" || may_skip, "{name}: {found:?}");
            let needs_no_mend = found.status != "pass" || found.mend.is_none();
            ensure!(needs_no_mend, "{name}: {found:?}");
        }
        let seen = check(&deployment.pc, "turtle")?.seen;
        ensure!(seen.contains(&leasable(0).to_string()), "{seen}");
        let text = deployment.pc.run(&format!("doctor {TURTLE}"))?;
        let last = text.stdout.lines().last().unwrap_or_default();
        ensure!(text.success() && last == "the turtle dances", "{text:?}");
        Ok(())
    })
}

#[test]
fn a_page_that_is_none_is_refused_with_how_to_write_one() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let finished = deployment.pc.run("doctor --turtle https://www.kame.net/")?;
        ensure!(finished.code == Some(2) && finished.stderr.contains("http://www.kame.net/"), "{finished:?}");
        Ok(())
    })
}
