//! What the client says of a server that it does not reach.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use v6tun_tests::lab::{Lab, wait_until};
use v6tun_tests::product::{Deployment, client_toml};

use crate::options;

#[test]
fn a_silent_endpoint_is_told_within_three_seconds_with_the_likely_causes_and_tried_on() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let start = Instant::now();
        let mut client = deployment.pc.start_up()?;
        wait_until("the client to complain", Duration::from_secs(10), || {
            Ok(client.stderr().contains("hint: "))
        })?;
        let after = start.elapsed();
        // The limit is the client's three seconds and the start of a process on a busy machine.
        ensure!(after < Duration::from_secs(4), "said after {after:?}");
        let said = client.stderr();
        for part in
            ["no answer from 203.0.113.233:51820", "UDP is blocked", "server is down", "know this PC's key"]
        {
            ensure!(said.contains(part), "{part:?} is missing from: {said}");
        }
        ensure!(said.contains(deployment.pc.public_key()), "the key to compare is missing from: {said}");
        // It has not given up: once a server is there, it connects.
        let _server = deployment.server.up()?;
        client.wait_for_line("v6tun-client: up", Duration::from_secs(20)).map(drop)
    })
}

#[test]
fn a_preshared_key_on_one_side_alone_is_told_apart_from_silence() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let preshared = lab.pc.output(&format!("{} genpsk", lab.product("v6tun")?))?;
        let file = deployment.pc.dir().join("preshared.key");
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)?
            .write_all(preshared.as_bytes())?;
        let config = client_toml(&deployment.server) + "preshared-key-file = \"preshared.key\"\n";
        deployment.pc.write_config(&config)?;
        let client = deployment.pc.start_up()?;
        wait_until("the client to complain", Duration::from_secs(10), || {
            Ok(client.stderr().contains("hint: "))
        })?;
        let said = client.stderr();
        ensure!(said.contains("answers, but") && said.contains("preshared-key-file"), "{said}");
        Ok(())
    })
}

#[test]
fn an_endpoint_that_this_pc_has_no_route_to_is_told_so() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let config =
            client_toml(&deployment.server).replace("203.0.113.233", "[2001:db8:1301:740:133:0:113:233]");
        deployment.pc.write_config(&config)?;
        let client = deployment.pc.start_up()?;
        wait_until("the client to complain", Duration::from_secs(10), || {
            Ok(client.stderr().contains("hint: "))
        })?;
        let said = client.stderr();
        ensure!(said.contains("this PC has no route to [2001:db8:1301:740:133:0:113:233]:51820"), "{said}");
        Ok(())
    })
}
