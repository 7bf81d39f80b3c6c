//! Used, late, withdrawn: each is told apart, within three seconds.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, wait_until};
use v6tun_tests::product::FreshServer;

use super::assert_refused;
use crate::options;
use crate::tools::must_reach;

#[test]
fn a_used_invitation_is_told_so_and_its_second_user_logged() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let _connected = server.client(lab, &lab.pc)?.up_with(&server.invitation)?;
        let clients = server.installation.client_names()?;
        let second = server.client(lab, &lab.laptop)?;
        for _ in 0..2 {
            assert_refused(&server, &second, &server.invitation, "already used")?;
        }
        assert_eq!(server.installation.client_names()?, clients);
        must_reach(&lab.pc, SITE_IPV6)
    })
}

#[test]
fn the_same_pc_may_use_its_invitation_again() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let pc = server.client(lab, &lab.pc)?;
        let first = pc.up_with(&server.invitation)?;
        let (address, key) = (pc.address()?, pc.read_public_key()?);
        pc.down()?;
        drop(first);
        let _again = pc.up_with(&server.invitation)?;
        assert_eq!((pc.address()?, pc.read_public_key()?), (address, key));
        assert_eq!(server.installation.clients()?.len(), 1);
        Ok(())
    })
}

#[test]
fn an_expired_invitation_is_told_so() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let invitation = server.installation.invite("late --expires 1s")?;
        wait_until("the invitation to expire", Duration::from_secs(5), || {
            has_ended(&server, "late", "expired")
        })?;
        assert_refused(&server, &server.client(lab, &lab.pc)?, &invitation, "expired")?;
        assert_eq!(server.installation.clients()?.len(), 0);
        Ok(())
    })
}

#[test]
fn a_withdrawn_invitation_is_told_so_and_the_others_stay() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let invitation = server.installation.invite("lost")?;
        server.installation.must("invitation withdraw lost")?;
        ensure!(has_ended(&server, "lost", "withdrawn")?, "the list does not say so");
        assert_refused(&server, &server.client(lab, &lab.laptop)?, &invitation, "withdrawn")?;
        let _connected = server.client(lab, &lab.pc)?.up_with(&server.invitation)?;
        must_reach(&lab.pc, SITE_IPV6)
    })
}

#[test]
fn an_ended_invitation_is_still_told_so_after_a_restart() -> Result<()> {
    Lab::run(&options(), |lab| {
        let mut server = FreshServer::up(lab)?;
        let used = server.invitation.clone();
        ensure!(server.client(lab, &lab.pc)?.join(&used)?.success(), "it does not join");
        let withdrawn = server.installation.invite("lost")?;
        server.installation.down()?;
        // On the files, as no server runs.
        server.installation.must("invitation withdraw lost")?;
        server.process = server.installation.up()?;
        let laptop = server.client(lab, &lab.laptop)?;
        assert_refused(&server, &laptop, &used, "already used")?;
        assert_refused(&server, &laptop, &withdrawn, "withdrawn")
    })
}

/// Whether `invitation list` says `how` about the invitation for `name`.
fn has_ended(server: &FreshServer, name: &str, how: &str) -> Result<bool> {
    let list = server.installation.must("invitation list --all")?;
    let line = list.lines().find(|line| line.contains(name)).with_context(|| format!("{name}: {list}"))?;
    Ok(line.contains(how))
}
