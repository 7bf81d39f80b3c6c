//! A moved client follows within its session.

use std::time::Duration;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Snapshot, wait_until};

use super::Scene;
use crate::options;
use crate::tools::{latest_handshake, must_reach, wait_for_address};

/// From the acknowledgement to an answer from the new address.
const MOVE_LIMIT: Duration = Duration::from_secs(2);

#[test]
fn a_moved_client_answers_at_its_new_address_without_another_handshake() -> Result<()> {
    Lab::run(&options(), |lab| {
        let mut scene = Scene::set(lab)?;
        let (old, new) = (scene.pc.address()?, leasable(11));
        let handshake = latest_handshake(&scene.pc)?;
        scene.must(&format!("client move pc {new}"))?;
        wait_until("the new address to answer", MOVE_LIMIT, || {
            Ok(lab.site.run(&format!("ping -n -c 1 -W 0.2 {new}"))?.success())
        })?;
        wait_for_address(&scene.pc, new, Duration::from_secs(1))?;
        must_reach(&lab.pc, SITE_IPV6)?;
        assert_eq!(latest_handshake(&scene.pc)?, handshake, "it shook hands again");
        ensure!(scene.connected[0].is_running()?, "the client ended");
        let addresses = lab.pc.output("ip -6 address show scope global")?;
        ensure!(!addresses.contains(&old.to_string()), "the pc keeps {old}: {addresses}");
        ensure!(
            !lab.vps.output("ip -6 neigh show proxy")?.contains(&old.to_string()),
            "{old} is still proxied"
        );
        must_reach(&lab.laptop, SITE_IPV6)
    })
}

#[test]
fn a_move_that_cannot_be_is_refused_and_costs_the_client_nothing() -> Result<()> {
    Lab::run(&options(), |lab| {
        let scene = Scene::set(lab)?;
        let (own, used) = (scene.pc.address()?, leasable(9));
        let _listener = lab.vps.enter(|| Ok(std::net::TcpListener::bind((used, 8080))?))?;
        let refused = scene.server.installation.run(&format!("client move pc {used}"))?;
        ensure!(refused.code == Some(1) && refused.stderr.contains("port 8080"), "{refused:?}");
        assert_eq!(scene.server.installation.address_of("pc")?, own);
        // To where it is already is no move.
        scene.must(&format!("client move pc {own}"))?;
        for _ in 0..2 {
            must_reach(&lab.pc, SITE_IPV6)?;
            must_reach(&lab.site, own)?;
        }
        Ok(())
    })
}

#[test]
fn a_client_that_is_away_finds_its_new_address_when_it_comes() -> Result<()> {
    Lab::run(&options(), |lab| {
        let scene = Scene::set(lab)?;
        scene.pc.down()?;
        scene.must(&format!("client move pc {}", leasable(11)))?;
        let _connected = scene.pc.up()?;
        assert_eq!(scene.pc.address()?, leasable(11));
        must_reach(&lab.site, leasable(11))
    })
}

#[test]
fn the_vps_is_as_before_after_clients_moved_and_went() -> Result<()> {
    Lab::run(&options(), |lab| {
        let before = Snapshot::take(&lab.vps)?;
        let scene = Scene::set(lab)?;
        scene.must(&format!("client move pc {}", leasable(11)))?;
        wait_for_address(&scene.pc, leasable(11), MOVE_LIMIT)?;
        scene.must("client revoke laptop")?;
        scene.server.installation.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}
