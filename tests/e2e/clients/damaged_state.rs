//! A damaged state file: the server takes the copy beside it, and says so.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, wait_until};

use super::{Scene, new_public_key};
use crate::options;
use crate::tools::must_reach;

/// The file and its copy.
fn files(scene: &Scene<'_>) -> [PathBuf; 2] {
    let state = scene.server.installation.dir().join("state");
    ["server-state.toml", "server-state.copy.toml"].map(|name| state.join(name))
}

/// Turns a few bytes in the middle.
fn damage(file: &PathBuf) -> Result<()> {
    let mut bytes = fs::read(file)?;
    let middle = bytes.len() / 2;
    bytes.iter_mut().skip(middle).take(16).for_each(|byte| *byte ^= 0x15);
    Ok(fs::write(file, bytes)?)
}

fn wait_for_the_pc(scene: &Scene<'_>) -> Result<()> {
    wait_until("the pc to come back", std::time::Duration::from_secs(40), || {
        Ok(scene.lab.pc.run(&format!("ping -n -q -c 1 -W 1 {SITE_IPV6}"))?.success())
    })
}

#[test]
fn a_damaged_state_file_is_replaced_by_its_copy_and_told() -> Result<()> {
    Lab::run(&options(), |lab| {
        let mut scene = Scene::set(lab)?;
        // Two saves later both files know the clients.
        scene.must(&format!("client add tv --public-key {}", new_public_key()?))?;
        scene.must("client revoke tv")?;
        let addresses = [scene.pc.address()?, scene.laptop.address()?];
        let [file, _] = files(&scene);
        for cut in [false, true] {
            scene.server.installation.down()?;
            match cut {
                true => fs::write(&file, "")?,
                false => damage(&file)?,
            }
            scene.server.process = scene.server.installation.up()?;
            let said = scene.server.process.stderr();
            ensure!(
                said.contains("server-state.toml") && said.contains("copy"),
                "it does not say so: {said}"
            );
            assert_eq!(scene.server.installation.client_names()?, ["laptop", "pc"]);
            wait_for_the_pc(&scene)?;
            assert_eq!([scene.pc.address()?, scene.laptop.address()?], addresses);
        }
        must_reach(&lab.site, addresses[0])
    })
}

#[test]
fn with_both_files_damaged_the_server_lends_nothing_that_may_be_taken() -> Result<()> {
    Lab::run(&options(), |lab| {
        let scene = Scene::set(lab)?;
        scene.server.installation.down()?;
        for file in files(&scene) {
            damage(&file)?;
        }
        let refused = scene.server.installation.run("up")?;
        ensure!(matches!(refused.code, Some(1 | 2)), "{refused:?}");
        ensure!(refused.stderr.contains("server-state") && refused.stderr.contains("hint: "), "{refused:?}");
        Ok(())
    })
}
