//! The client's answers.

use std::time::Duration;

use anyhow::{Result, ensure};
use v6tun_tests::lab::{Lab, wait_until};
use v6tun_tests::product::Deployment;

use super::arrangement::Arrangement;
use super::{Case, assert_all_refused, assert_answer};
use crate::options;

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
    Lab::run(&options(), |lab| {
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
