//! What the client keeps, waits for and forgets.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::Lab;
use v6tun_tests::lab::address::{SITE_IPV6, VPS_IPV4, VPS_NAME};
use v6tun_tests::product::{FreshServer, PORT};

use super::Scene;
use crate::options;
use crate::tools::must_reach;

#[test]
fn a_script_learns_by_the_exit_code_whether_the_client_is_connected() -> Result<()> {
    Lab::run(&options(), |lab| {
        let scene = Scene::set(lab)?;
        assert_eq!(scene.pc.run("status --wait 5")?.code, Some(0));
        scene.pc.down()?;
        assert_eq!(scene.pc.run("status --wait 1")?.code, Some(3));
        scene.server.installation.down()?;
        let start = Instant::now();
        let up = scene.pc.run("up --wait 1")?;
        assert_eq!(up.code, Some(4), "{up:?}");
        ensure!(start.elapsed() < Duration::from_secs(3), "it took {:?}", start.elapsed());
        Ok(())
    })
}

#[test]
fn forget_removes_key_state_and_configuration_once_it_is_told_to() -> Result<()> {
    Lab::run(&options(), |lab| {
        let scene = Scene::set(lab)?;
        let etc = scene.pc.config().parent().context("a folder")?.to_owned();
        ensure!(!scene.pc.run("forget --yes")?.success(), "it forgets what it is using");
        scene.pc.down()?;
        let unasked = scene.pc.run("forget")?;
        ensure!(unasked.code == Some(2) && unasked.stderr.contains("--yes"), "{unasked:?}");
        ensure!(scene.pc.config().exists(), "it did not wait to be told");
        scene.pc.must("forget --yes")?;
        assert_eq!(names(&etc)?, [""; 0]);
        ensure!(!scene.pc.dir().join("state/client-state.toml").exists(), "it remembers");
        must_reach(&lab.laptop, SITE_IPV6)
    })
}

/// What is left in a folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    Ok(fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

#[test]
fn a_name_is_looked_up_again_when_the_server_is_silent() -> Result<()> {
    Lab::run(&options(), |lab| {
        let mut server = FreshServer::up(lab)?;
        let invitation = server.installation.invite(&format!("pc --endpoint {VPS_NAME}:{PORT}"))?;
        let client = server.client(lab, &lab.pc)?;
        let _connected = client.up_with(&invitation)?;
        must_reach(&lab.pc, SITE_IPV6)?;

        let moved = Ipv4Addr::new(203, 0, 113, 235);
        server.process.kill()?;
        lab.vps.ip(&format!(
            "address del {VPS_IPV4}/24 dev ens3\naddress add {moved}/24 dev ens3\n\
             route replace default via 203.0.113.1"
        ))?;
        let hosts = Path::new("/etc/netns").join(lab.pc.name()).join("hosts");
        let renamed = fs::read_to_string(&hosts)?.replace(&format!("{VPS_IPV4} "), &format!("{moved} "));
        fs::write(&hosts, renamed)?;
        server.process = server.installation.up()?;
        v6tun_tests::lab::wait_until("the client to follow the name", Duration::from_secs(60), || {
            Ok(lab.pc.run(&format!("ping -n -q -c 1 -W 1 {SITE_IPV6}"))?.success())
        })
    })
}

#[test]
fn the_last_lease_is_remembered() -> Result<()> {
    Lab::run(&options(), |lab| {
        let scene = Scene::set(lab)?;
        let address = scene.pc.address()?;
        scene.pc.down()?;
        let kept = fs::read_to_string(scene.pc.dir().join("state/client-state.toml"))?;
        ensure!(kept.contains(&address.to_string()) && kept.contains(&VPS_IPV4.to_string()), "{kept}");
        let _connected = scene.pc.up()?;
        assert_eq!(scene.pc.address()?, address);
        Ok(())
    })
}
