//! `up` typed over SSH over the uplink itself: what locks the administrator out is undone.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::leasable;
use v6tun_tests::lab::{Lab, Options, Process, Snapshot, wait_until};
use v6tun_tests::product::{Deployment, Installation};

use crate::tools::connection;

const SSH_PORT: u16 = 22;
/// An address of the VPS that is in no pool.
const ADDRESS: u16 = 15;
/// The timer's 30 s, and time to restore.
const PATIENCE: Duration = Duration::from_secs(45);
const ARMED: &str = "SSH from 2001:db8:1301:740:133:0:113:234 uses ens3";

#[test]
fn a_connection_that_no_longer_answers_takes_all_back() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (_listener, _pc, mut ssh) = connection(&lab.neighbour, &lab.vps, leasable(ADDRESS), SSH_PORT)?;
        let before = Snapshot::take(&lab.vps)?;
        lab.neighbour.nft(
            "table ip6 deaf { chain hears { type filter hook input priority 0; tcp sport 22 drop; }; }",
        )?;
        let mut server = up_on_a_terminal(&deployment.server, "")?;
        server.wait_for_line(ARMED, PATIENCE)?;
        ssh.write_all(b"what it prints")?;
        let code = server.wait(PATIENCE)?;
        let said = server.stdout();
        ensure!(
            code == Some(1) && said.contains("all is undone") && said.contains("--no-safety"),
            "{code:?}: {said}"
        );
        let difference = before.difference(&Snapshot::take(&lab.vps)?);
        ensure!(difference.is_empty(), "{difference}");
        Ok(())
    })
}

#[test]
fn a_connection_that_answers_keeps_the_changes() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (_listener, _pc, mut ssh) = connection(&lab.neighbour, &lab.vps, leasable(ADDRESS), SSH_PORT)?;
        let mut server = up_on_a_terminal(&deployment.server, "")?;
        server.wait_for_line(ARMED, PATIENCE)?;
        stays(&mut server, &mut ssh)?;
        deployment.server.down()
    })
}

#[test]
fn in_the_background_of_a_shell_it_is_not_stopped_for_wanting_to_read_the_terminal() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (_listener, _pc, mut ssh) = connection(&lab.neighbour, &lab.vps, leasable(ADDRESS), SSH_PORT)?;
        let mut server = on_a_terminal(&deployment.server, "set -m; UP & wait")?;
        server.wait_for_line(ARMED, PATIENCE)?;
        stays(&mut server, &mut ssh)?;
        deployment.server.down()
    })
}

#[test]
fn nobody_is_asked_without_a_terminal_or_where_no_safety_is_wanted() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (_listener, _pc, _ssh) = connection(&lab.neighbour, &lab.vps, leasable(ADDRESS), SSH_PORT)?;
        let server = deployment.server.up()?;
        ensure!(!server.stderr().contains("SSH from"), "{}", server.stderr());
        deployment.server.down()?;
        let mut server = up_on_a_terminal(&deployment.server, "--no-safety")?;
        server.wait_for_line("v6tun-server: up", PATIENCE)?;
        ensure!(!server.stdout().contains("SSH from"), "{}", server.stdout());
        deployment.server.down()
    })
}

fn stays(server: &mut Process, ssh: &mut TcpStream) -> Result<()> {
    wait_until("the changes to stay", PATIENCE, || {
        ssh.write_all(b"what it prints")?;
        Ok(server.stdout().contains("the SSH connection lives: the changes stay"))
    })
}

fn up_on_a_terminal(server: &Installation, option: &str) -> Result<Process> {
    on_a_terminal(server, &format!("exec UP {option}"))
}

/// Runs a shell's lines, with the server's command in the place of `UP`. What that says on standard error comes out of
/// the terminal as well.
fn on_a_terminal(server: &Installation, lines: &str) -> Result<Process> {
    let script = server.dir().join("up.sh");
    let lines = lines.replace("UP", &server.command_line("up"));
    fs::write(&script, format!("#!/bin/sh\n{lines}\n"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700))?;
    let terminal = format!("script --quiet --return --flush --command {} /dev/null", script.display());
    server.host().spawn("terminal", &terminal)
}
