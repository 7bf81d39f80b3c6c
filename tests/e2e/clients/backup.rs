//! A VPS that moves: its clients come back by themselves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, wait_until};

use super::Scene;
use crate::options;
use crate::tools::must_reach;

/// The longest that a client may take: its server is silent for the whole time of the move.
const RETURN_LIMIT: Duration = Duration::from_secs(40);

#[test]
fn after_backup_wipe_restore_and_up_the_same_clients_come_back_by_themselves() -> Result<()> {
    Lab::run(&options(), |lab| {
        let mut scene = Scene::set(lab)?;
        let addresses = [scene.pc.address()?, scene.laptop.address()?];
        let open = scene.server.installation.invite("later")?;
        let file = lab.dir().join("v6tun.backup");
        scene.must(&format!("backup {}", file.display()))?;
        let mode = fs::metadata(&file)?.permissions().mode() & 0o7777;
        ensure!(mode == 0o600, "the backup has mode {mode:o}");
        scene.must(&format!("backup {}", file.display()))?;
        let foreign = lab.dir().join("foreign");
        fs::write(&foreign, "mine")?;
        ensure!(
            !scene.server.installation.run(&format!("backup {}", foreign.display()))?.success()
                && fs::read_to_string(&foreign)? == "mine",
            "somebody's file is overwritten"
        );

        wipe(&mut scene)?;
        scene.must(&format!("restore {}", file.display()))?;
        scene.server.process = scene.server.installation.up()?;
        for (client, address) in [&scene.pc, &scene.laptop].into_iter().zip(addresses) {
            wait_until("the client to come back", RETURN_LIMIT, || {
                Ok(client.host().run(&format!("ping -n -q -c 1 -W 1 {SITE_IPV6}"))?.success())
            })?;
            assert_eq!(client.address()?, address);
            must_reach(&lab.site, address)?;
        }
        for client in &mut scene.connected {
            ensure!(client.is_running()?, "a client ended");
        }
        let joined = scene.server.client(lab, &lab.pc)?.join(&open)?;
        ensure!(joined.success(), "the open invitation did not move: {joined:?}");
        Ok(())
    })
}

/// The old machine, with all that stood on it, is gone without a word.
fn wipe(scene: &mut Scene<'_>) -> Result<()> {
    scene.server.process.kill()?;
    // The kernel of a machine that is gone has no addresses to give back: here it is the same one.
    scene.server.installation.down()?;
    let server = &scene.server.installation;
    for folder in ["state", "run"] {
        fs::remove_dir_all(server.dir().join(folder))?;
    }
    for file in [server.config().to_owned(), server.config().with_extension("key")] {
        fs::remove_file(file)?;
    }
    Ok(())
}

#[test]
fn a_restore_over_a_configuration_or_beside_a_running_server_is_refused() -> Result<()> {
    Lab::run(&options(), |lab| {
        let scene = Scene::set(lab)?;
        let file = lab.dir().join("v6tun.backup");
        scene.must(&format!("backup {}", file.display()))?;
        let restore = format!("restore {}", file.display());
        let beside = scene.server.installation.run(&restore)?;
        ensure!(!beside.success() && beside.stderr.contains("hint: "), "{beside:?}");
        must_reach(&lab.pc, SITE_IPV6)?;
        scene.server.installation.down()?;
        let over = scene.server.installation.run(&restore)?;
        ensure!(!over.success() && over.stderr.contains("hint: "), "{over:?}");
        assert_eq!(scene.server.installation.client_names()?, ["laptop", "pc"]);
        Ok(())
    })
}
