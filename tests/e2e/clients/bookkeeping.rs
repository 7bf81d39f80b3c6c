//! `client add`, `list`, `rename`, `move` and `revoke`, beside a running server and without one.

use std::collections::HashSet;
use std::net::Ipv6Addr;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::Lab;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::product::{FreshServer, Installation, client_toml};

use super::{Scene, new_public_key};
use crate::options;
use crate::tools::must_reach;

/// The life of a client that never connects.
fn live_a_clients_life(server: &Installation) -> Result<()> {
    let key = new_public_key()?;
    server.must(&format!("client add tv --public-key {key}"))?;
    let fixed = leasable(9);
    server.must(&format!("client add phone --public-key {} --address {fixed}", new_public_key()?))?;
    assert_eq!(server.client_names()?, ["phone", "tv"]);
    assert_eq!(server.address_of("phone")?, fixed);
    let given = server.address_of("tv")?;

    server.must("client rename tv telly")?;
    assert_eq!(server.client_names()?, ["phone", "telly"]);
    assert_eq!(server.address_of("telly")?, given);
    let shown = server.must("client list")?;
    ensure!(shown.contains("telly") && shown.contains(&given.to_string()), "{shown}");

    server.must(&format!("client move telly {}", leasable(8)))?;
    assert_eq!(server.address_of("telly")?, leasable(8));
    server.must("client revoke telly")?;
    assert_eq!(server.client_names()?, ["phone"]);
    server.must("client revoke phone")?;
    assert_eq!(server.client_names()?, [""; 0]);
    Ok(())
}

#[test]
fn a_clients_life_is_the_same_beside_a_running_server_and_without_one() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        live_a_clients_life(&server.installation).context("beside a running server")?;
        server.installation.down()?;
        live_a_clients_life(&server.installation).context("without a server")
    })
}

#[test]
fn a_client_that_was_added_connects_without_a_restart() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let pc = Installation::new(lab, "v6tun-client", &lab.pc)?;
        pc.write_config(&client_toml(&server.installation))?;
        let address = leasable(3);
        let options = format!("--public-key {} --address {address}", pc.public_key());
        server.installation.must(&format!("client add pc {options}"))?;
        let _connected = pc.up()?;
        assert_eq!(pc.address()?, address);
        must_reach(&lab.pc, SITE_IPV6)?;
        must_reach(&lab.site, address)
    })
}

#[test]
fn what_was_acknowledged_survives_a_kill_right_after_it() -> Result<()> {
    Lab::run(&options(), |lab| {
        let mut scene = Scene::set(lab)?;
        scene.must(&format!("client add tv --public-key {}", new_public_key()?))?;
        scene.crash_and_restart()?;
        assert_eq!(scene.server.installation.client_names()?, ["laptop", "pc", "tv"]);
        scene.must("client rename tv telly")?;
        scene.crash_and_restart()?;
        assert_eq!(scene.server.installation.client_names()?, ["laptop", "pc", "telly"]);
        let free = free_address(&scene.server.installation)?;
        scene.must(&format!("client move telly {free}"))?;
        scene.crash_and_restart()?;
        assert_eq!(scene.server.installation.address_of("telly")?, free);
        scene.must("client revoke telly")?;
        scene.crash_and_restart()?;
        assert_eq!(scene.server.installation.client_names()?, ["laptop", "pc"]);
        Ok(())
    })
}

/// One that nobody has.
fn free_address(server: &Installation) -> Result<Ipv6Addr> {
    let taken: HashSet<Ipv6Addr> =
        ["pc", "laptop", "telly"].into_iter().map(|name| server.address_of(name)).collect::<Result<_>>()?;
    (0..15).map(leasable).find(|address| !taken.contains(address)).context("a free address")
}

#[test]
fn a_renamed_client_stays_connected() -> Result<()> {
    Lab::run(&options(), |lab| {
        let mut scene = Scene::set(lab)?;
        scene.must("client rename pc desk")?;
        must_reach(&lab.pc, SITE_IPV6)?;
        ensure!(scene.connected[0].is_running()?, "the client ended");
        let status = scene.server.installation.status()?;
        let names: Vec<&str> = status["clients"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["name"].as_str())
            .collect();
        ensure!(names.contains(&"desk") && !names.contains(&"pc"), "{status}");
        Ok(())
    })
}
