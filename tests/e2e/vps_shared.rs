//! The server shares the VPS: with a second server, with other interfaces, with whoever uses its addresses.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Process, Snapshot, wait_until};
use v6tun_tests::product::Deployment;

use crate::tools::must_reach;

/// As `subcommand` of the lab's server, but with another runtime folder.
fn elsewhere(deployment: &Deployment, subcommand: &str) -> String {
    let dir = deployment.server.dir().display().to_string();
    let usual = format!("--runtime-dir {dir}/run");
    deployment.server.command_line(subcommand).replace(&usual, &format!("--runtime-dir {dir}/elsewhere"))
}

#[test]
fn another_runtime_folder_does_not_undo_a_live_server() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        let during = Snapshot::take(&lab.vps)?;
        let up = lab.vps.run(&elsewhere(&deployment, "up"))?;
        assert_eq!(up.code, Some(1), "{up:?}");
        ensure!(up.stderr.contains("already running") && up.stderr.contains("--state-dir"), "{up:?}");
        assert_eq!(during.difference(&Snapshot::take(&lab.vps)?), "");
        deployment.server.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

#[test]
fn down_ends_a_server_whose_control_socket_was_removed() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let mut server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        remove_files(&deployment, "server.sock")?;
        deployment.server.down()?;
        assert_eq!(server.wait(Duration::from_secs(1))?, Some(0));
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

#[test]
fn a_server_whose_journal_was_removed_still_restores_the_vps() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        remove_files(&deployment, "server-journal.jsonl")?;
        deployment.server.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

/// Removes the file of this name, wherever below the server's folder it is.
fn remove_files(deployment: &Deployment, name: &str) -> Result<()> {
    let mut found = false;
    for folder in fs::read_dir(deployment.server.dir())? {
        let path = folder?.path().join(name);
        if path.exists() {
            fs::remove_file(path)?;
            found = true;
        }
    }
    ensure!(found, "the server has no {name}");
    Ok(())
}

#[test]
fn a_server_that_nobody_listens_to_serves_and_restores_all_the_same() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let script = lab.dir().join("deaf-server.sh");
        fs::write(&script, format!("exec {} >/dev/full\n", deployment.server.command_line("up")))?;
        let _server: Process = lab.vps.spawn("deaf-server", &format!("sh {}", script.display()))?;
        wait_until("the server to answer", Duration::from_secs(10), || {
            Ok(deployment.server.status().is_ok())
        })?;
        let _client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        deployment.server.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

#[test]
fn an_address_of_another_interface_is_not_lent() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let address = leasable(0);
        lab.vps.ip(&format!("addr del {address}/64 dev ens3\naddr add {address}/128 dev lo"))?;
        let refused = deployment.server.run("up")?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        ensure!(refused.stderr.contains("stands on lo"), "{refused:?}");
        Ok(())
    })
}

#[test]
fn an_interface_beside_the_uplink_keeps_listening_to_its_router() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        // A second interface with an address that it learnt from a router, as a private network's often is.
        lab.vps.ip("link add ens4 type veth peer name ens4far\nlink set ens4 up\nlink set ens4far up\n\
             addr add 2001:db8:9::5/64 dev ens4 valid_lft 3600 preferred_lft 1800 nodad\n\
             route add default via fe80::9 dev ens4 metric 2048 proto ra")?;
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let _server = deployment.server.up()?;
        assert_eq!(lab.vps.sysctl("net/ipv6/conf/ens4/accept_ra")?.trim(), "2");
        deployment.server.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

#[test]
fn a_dry_run_beside_a_running_server_or_after_a_killed_one_says_so() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let mut server = deployment.server.up()?;
        let beside = deployment.server.run("up --dry-run")?;
        ensure!(beside.code == Some(1) && beside.stderr.contains("is running"), "{beside:?}");
        server.kill()?;
        let after = deployment.server.run("up --dry-run")?;
        ensure!(after.code == Some(1) && after.stderr.contains("has left changes"), "{after:?}");
        ensure!(after.stderr.contains("v6tun-server down"), "{after:?}");
        deployment.server.down()
    })
}

#[test]
fn a_lease_that_cannot_be_met_costs_no_other_client_and_leaves_its_address_where_it_was() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (blocked, free) = (leasable(0), leasable(1));
        lab.vps.ip(&format!("route add {blocked}/128 via fe80::740:1 dev ens3 metric 1024"))?;
        let before = Snapshot::take(&lab.vps)?;
        let server = deployment.server.up()?;
        let _refused = deployment.pc.start_up()?;
        wait_until("the server to refuse the lease", Duration::from_secs(10), || {
            Ok(server.stderr().contains("stands in the way"))
        })?;
        let _client = deployment.laptop.up()?;
        must_reach(&lab.site, free)?;
        let standing = lab.vps.output("ip -6 addr show dev ens3")?;
        ensure!(standing.contains(&format!("{blocked}/64")), "{standing}");
        deployment.server.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

#[test]
fn what_others_take_away_or_put_back_while_it_lends_is_put_right() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let address = leasable(0);
        let before = Snapshot::take(&lab.vps)?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        let lending = Snapshot::take(&lab.vps)?;
        lab.vps.ip(&format!(
            "neigh del proxy {address} dev ens3\nroute del {address}/128 dev v6tun0\naddr add {address}/64 dev ens3"
        ))?;
        lab.vps.set_sysctls(&[("net/ipv6/conf/all/proxy_ndp", "0")])?;
        wait_until("the VPS to be repaired", Duration::from_secs(15), || {
            Ok(lending.difference(&Snapshot::take(&lab.vps)?).is_empty())
        })?;
        must_reach(&lab.site, address)?;
        deployment.server.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}
