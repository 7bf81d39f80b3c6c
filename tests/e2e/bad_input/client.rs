//! The client's answers.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use v6tun_tests::lab::{Lab, Options, wait_until};
use v6tun_tests::product::{Deployment, client_toml};

use super::arrangement::Arrangement;
use super::{Case, assert_all_refused, assert_answer};

fn cases() -> Vec<Case> {
    vec![
        Case::of("--config names no file", Arrangement::MissingConfig).exits(
            2,
            "there is no such file",
            "--config",
        ),
        Case::of("no key file", Arrangement::MissingKey).exits(
            2,
            "private.key: no such file",
            "v6tun genkey >",
        ),
        Case::of("a key file that others can read", Arrangement::KeyMode(0o640)).exits(
            2,
            "private.key: its mode 0640 lets others at it",
            "chmod 600 ",
        ),
        Case::of("a bad private key", Arrangement::KeyContent("AAAA\n")).exits(
            2,
            "private.key holds no key",
            "v6tun genkey",
        ),
        Case::of("an unknown key", Arrangement::replace("endpoint", "endpiont")).exits(
            2,
            "config.toml:5: unknown key `endpiont`",
            "`endpoint`",
        ),
        Case::of("an endpoint without a port", Arrangement::replace(":51820", "")).exits(
            2,
            "endpoint: 203.0.113.233 has no port",
            "203.0.113.233:51820",
        ),
        Case::of("no root", Arrangement::NoRoot).exits(1, "needs root", "sudo "),
        Case::of("no /dev/net/tun", Arrangement::NoTun).exits(1, "/dev/net/tun", "modprobe tun"),
        Case::of("a runtime folder that everybody can write to", Arrangement::FolderMode("run", 0o777))
            .exits(1, "run: others may write to it (mode 0777)", "chmod go-w "),
        Case::of("a state folder of somebody else", Arrangement::FolderOwner("state")).exits(
            1,
            "state: it belongs to user 65534",
            "chown 0 ",
        ),
    ]
}

#[test]
fn mistakes_are_refused_and_the_pc_is_left_alone() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let pc = Deployment::install(lab)?.pc;
        assert_all_refused(lab, &pc, &cases())?;
        for subcommand in ["status", "status --json"] {
            assert_answer(&pc.run(subcommand)?, "v6tun-client", 3, "not running", "v6tun-client up")?;
        }
        let down = pc.run("down")?;
        ensure!(down.code == Some(0), "{down:?}");
        let first = pc.start_up()?;
        let what = format!("already running (process {})", first.id());
        wait_until("a second client to be refused", Duration::from_secs(5), || {
            Ok(pc.dir().join("run/client.sock").exists())
        })?;
        assert_answer(&pc.run("up")?, "v6tun-client", 1, &what, "`down`")
    })
}

#[test]
fn a_silent_endpoint_is_told_within_three_seconds_with_the_likely_causes_and_tried_on() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
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
    Lab::run(&Options::default(), |lab| {
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
    Lab::run(&Options::default(), |lab| {
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
