//! A bare server's answers to a VPS that it cannot configure itself for: it says what it saw, writes nothing and
//! touches nothing.

use std::fs;
use std::os::unix::fs::chown;
use std::process::Stdio;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{VPS_IPV4, VPS_IPV6};
use v6tun_tests::lab::{Finished, Lab, Options, Snapshot, VpsShape};
use v6tun_tests::product::Installation;

use super::assert_answer;
use crate::tools::wait_until_settled;

const COMMANDS: [&str; 3] = ["up", "up --dry-run", "init --yes"];

/// Types each command on a bare host, and expects the same answer.
fn assert_all_refused(lab: &Lab, what: &str, hint: &str) -> Result<()> {
    wait_until_settled(&lab.vps)?;
    for command in COMMANDS {
        let server = Installation::bare(lab, "v6tun-server", &lab.vps)?;
        let before = Snapshot::take(&lab.vps)?;
        let refused = server.run(command)?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "", "{command}");
        assert_answer(&refused, "v6tun-server", 1, what, hint)?;
        ensure!(!server.config().exists() && server.read_private_key().is_err(), "{command} wrote files");
    }
    Ok(())
}

#[test]
fn a_bare_vps_without_ipv6_is_told_so() -> Result<()> {
    let options = Options { router_advertisements: false, vps_has_ipv6: false, ..Options::default() };
    Lab::run(&options, |lab| assert_all_refused(lab, "IPv6", ""))
}

#[test]
fn a_bare_vps_without_a_default_route_is_told_so() -> Result<()> {
    let options = Options { router_advertisements: false, ..Options::with_vps(VpsShape::OneOnLink) };
    Lab::run(&options, |lab| assert_all_refused(lab, "no IPv6 default route", "ip -6 route"))
}

#[test]
fn a_bare_vps_behind_an_address_translation_wants_an_endpoint() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let mut current = VPS_IPV4.to_string();
        for private in ["10.1.2.3", "172.16.2.3", "192.168.2.3", "100.64.2.3", "169.254.2.3"] {
            let gateway = private.replace(".2.3", ".2.1");
            lab.vps.ip(&format!(
                "address del {current}/24 dev ens3
                 address add {private}/24 dev ens3
                 route replace default via {gateway}"
            ))?;
            private.clone_into(&mut current);
            assert_all_refused(lab, private, "--endpoint")?;
        }
        let server = Installation::bare(lab, "v6tun-server", &lab.vps)?;
        server.must(&format!("init --yes --endpoint {VPS_IPV4}"))?;
        let written = fs::read_to_string(server.config())?;
        ensure!(written.contains(&format!("endpoint = \"{VPS_IPV4}")), "{written}");
        Ok(())
    })
}

#[test]
fn a_bare_vps_of_an_unclear_shape_is_told_what_was_seen_and_which_line_to_write() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        // One address that stands for itself alone: nothing says what else belongs to this VPS.
        lab.vps.ip(&format!("address del {VPS_IPV6}/64 dev ens3\naddress add {VPS_IPV6}/128 dev ens3"))?;
        assert_all_refused(lab, "", "[pool]")
    })
}

#[test]
fn a_bare_server_needs_root() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        for (command, what) in [("up", "needs root"), ("init --yes", "Permission denied")] {
            assert_answer(&run_as_nobody(lab, command)?, "v6tun-server", 1, what, "sudo")?;
        }
        let dry_run = run_as_nobody(lab, "up --dry-run")?;
        ensure!(dry_run.success() && dry_run.stdout.contains("ip tuntap add"), "{dry_run:?}");
        Ok(())
    })
}

/// From a folder that nobody may enter.
fn run_as_nobody(lab: &Lab, command: &str) -> Result<Finished> {
    let folder = tempfile::tempdir()?;
    chown(folder.path(), Some(65534), Some(65534))?;
    let program = folder.path().join("v6tun-server");
    fs::copy(lab.product("v6tun-server")?, &program)?;
    let (program, dir) = (program.display(), folder.path().display());
    let line = format!(
        "timeout 20 setpriv --reuid=65534 --regid=65534 --clear-groups {program} {command} --state-dir {dir}/state --runtime-dir {dir}/run"
    );
    let mut words = line.split_whitespace();
    let mut child = lab.vps.command(words.next().unwrap_or_default());
    Ok(child.args(words).stdin(Stdio::null()).output()?.into())
}
