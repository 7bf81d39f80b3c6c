//! The lab's Windows has a firewall that keeps its rules and obeys them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, Snapshot};
use v6tun_tests::plain_tunnel::{ADDRESS, PlainTunnel};
use v6tun_tests::windows_pc::WindowsPc;

use crate::machine::{LIMIT, probe, with_probe};
use crate::tools::must_reach;

const HERE: &str = "2001:db8:ff::1";

/// Numbers of `icftypes.h`.
const BLOCK: &str = "0";
const ALLOW: &str = "1";

/// Runs the probe's steps, and returns what each returned.
fn steps(lab: &Lab, pc: &WindowsPc, steps: &str) -> Result<Vec<String>> {
    let mut process = probe(lab, pc, "", steps)?;
    let code = process.wait(LIMIT)?;
    let said = process.stdout();
    ensure!(code == Some(0), "{code:?}: {said}{}", process.stderr());
    let outcome = |line: &str| line.split_once(' ').map(|(_, outcome)| outcome.to_owned());
    Ok(said.lines().filter_map(outcome).collect())
}

#[test]
fn rules_are_enumerated_found_by_name_and_removed_and_outlive_their_process() -> Result<()> {
    with_probe(|lab, pc| {
        pc.order("add-rule name=somebody%20else's")?;
        let ping = format!("rule=ping,{ALLOW},58,{HERE},128:*");
        let added = steps(lab, pc, &format!("{ping} rule=ssh,{ALLOW},6,*,22 {ping} rules"))?;
        assert_eq!(added, ["0", "0", "0", "0 somebody else's+ping+ssh+ping"]);
        let later = steps(lab, pc, "is-rule=ping is-rule=ssh is-rule=none no-rule=none no-rule=ping rules")?;
        let not_found = "0x80070002";
        assert_eq!(
            later,
            [&format!("0 {HERE}/128"), "0 *", not_found, "0", "0", "0 somebody else's+ssh+ping"]
        );
        let told = pc.order("rules")?;
        ensure!(told.contains("name=ssh") && told.contains("local-ports=22"), "{told}");
        Ok(())
    })
}

#[test]
fn a_rule_that_windows_would_refuse_is_refused() -> Result<()> {
    with_probe(|lab, pc| {
        let invalid = "0x80070057";
        let refused = steps(
            lab,
            pc,
            &format!("rule=a|b,{ALLOW},6,*,22 rule=x,{ALLOW},58,2001:db8::g, rule=y,{ALLOW},256,*,22 rules"),
        )?;
        assert_eq!(refused, [invalid, invalid, invalid, "0"]);
        Ok(())
    })
}

#[test]
fn only_what_a_rule_allows_comes_in_and_what_answers_does() -> Result<()> {
    with_probe(|lab, pc| {
        let before = Snapshot::take(&lab.pc)?;
        let tunnel = PlainTunnel::start(lab, pc)?;
        let comes_in = || -> Result<_> {
            let ports = [8000, 8010, 8005, 8011].map(|port| takes_connection(lab, port));
            let ping = lab.site.run(&format!("ping -n -c 1 -W 1 {ADDRESS}"))?.success();
            Ok((ping, ports.into_iter().collect::<Result<Vec<_>>>()?))
        };
        must_reach(&lab.pc, SITE_IPV6)?;
        assert_eq!(comes_in()?, (false, vec![false; 4]));
        let rules = format!(
            "rule=web,{ALLOW},6,{ADDRESS},8000-8010 rule=not,{BLOCK},6,{ADDRESS},8005 \
             rule=ping,{ALLOW},58,{ADDRESS},128:*"
        );
        assert_eq!(steps(lab, pc, &rules)?, ["0"; 3]);
        assert_eq!(comes_in()?, (true, vec![true, true, false, false]), "{}", pc.order("rules")?);
        assert_eq!(steps(lab, pc, "no-rule=not no-rule=ping")?, ["0"; 2]);
        assert_eq!(comes_in()?, (false, vec![true, true, true, false]), "{}", pc.order("rules")?);
        must_reach(&lab.pc, SITE_IPV6)?;
        tunnel.stop(pc)?;
        assert_eq!(before.difference(&Snapshot::take(&lab.pc)?), "");
        Ok(())
    })
}

/// Whether the site can connect to a program of the PC on this port.
fn takes_connection(lab: &Lab, port: u16) -> Result<bool> {
    let service = SocketAddr::from((ADDRESS, port));
    let _listener = lab.pc.enter(|| TcpListener::bind(service).context("listen"))?;
    lab.site.enter(|| Ok(TcpStream::connect_timeout(&service, Duration::from_millis(500)).is_ok()))
}
