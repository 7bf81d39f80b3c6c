//! Invitations that no server made, or not this one, or that did not survive the way to the PC.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use v6tun_keys::{Invitation, PrivateKey, PublicKey};
use v6tun_tests::lab::address::{SITE_IPV6, VPS_IPV4};
use v6tun_tests::lab::{Lab, Process, wait_until};
use v6tun_tests::product::{FreshServer, PORT};

use crate::options;
use crate::tools::must_reach;

/// An invitation of the right form to `server`, with a secret that nobody else knows.
fn forged(server: PublicKey) -> Result<String> {
    let tomorrow = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 86_400;
    let endpoint = SocketAddr::from((VPS_IPV4, PORT)).to_string();
    Ok(Invitation::new(&endpoint, server, tomorrow)?.to_text().to_string())
}

/// Everything that the server sends.
fn watch_answers(lab: &Lab) -> Result<Process> {
    let filter = format!("udp and src host {VPS_IPV4} and src port {PORT}");
    let answers = lab.vps.spawn("tcpdump", &format!("tcpdump -n -l -i ens3 {filter}"))?;
    wait_until("tcpdump to listen", Duration::from_secs(5), || Ok(answers.stderr().contains("listening")))?;
    Ok(answers)
}

/// Tries `invitation`: the server says nothing, counts under `reason`, and the client names likely causes.
fn assert_met_by_silence(lab: &Lab, server: &FreshServer, invitation: &str, reason: &str) -> Result<()> {
    let answers = watch_answers(lab)?;
    let client = server.client(lab, &lab.pc)?;
    let trying = client.start(&format!("join {invitation}"))?;
    wait_until("the client to name likely causes", Duration::from_secs(10), || {
        Ok(trying.stderr().contains("hint: "))
    })?;
    let said = trying.stderr();
    ensure!(said.contains("no answer from 203.0.113.233:51820"), "{said}");
    ensure!(said.contains("invitation") && said.contains("UDP is blocked"), "{said}");
    wait_until("the server to count", Duration::from_secs(5), || {
        Ok(server.installation.status()?["drops"][reason].as_u64() >= Some(1))
    })?;
    assert_eq!(answers.stdout(), "", "the server answered");
    assert_eq!(server.installation.clients()?.len(), 0);
    drop(trying);
    // The counterpart of silence, on the same path.
    let _connected = server.client(lab, &lab.laptop)?.up_with(&server.invitation)?;
    wait_until("an answer to be seen", Duration::from_secs(5), || Ok(!answers.stdout().is_empty()))?;
    must_reach(&lab.laptop, SITE_IPV6)
}

#[test]
fn a_forged_invitation_is_met_by_silence_and_likely_causes() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let invitation = forged(server.installation.read_public_key()?)?;
        assert_met_by_silence(lab, &server, &invitation, "unknown-key")
    })
}

#[test]
fn an_invitation_of_another_server_is_met_by_silence_and_likely_causes() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let invitation = forged(PrivateKey::generate()?.public_key())?;
        assert_met_by_silence(lab, &server, &invitation, "handshake-bad-mac")
    })
}

/// A text, what is said about it, and what is advised.
type Mangled = (String, &'static str, &'static str);

fn mangled(good: &str) -> Result<Vec<Mangled>> {
    let cut = good.get(..good.len() - 3).context("a short invitation")?.to_owned();
    let last = good.chars().next_back().context("an empty invitation")?;
    let mistyped = format!("{}{}", &good[..good.len() - 1], if last == 'A' { 'B' } else { 'A' });
    Ok(vec![
        (cut, "cut off", "v6tun-server invite"),
        (mistyped, "damaged", "v6tun-server invite"),
        (format!("{good}{good}"), "more than one", "paste one"),
        ("v6tun1:".to_owned(), "damaged", "v6tun-server invite"),
        ("v6tun1:====".to_owned(), "damaged", "v6tun-server invite"),
        (good.replace("v6tun1:", "v6tun2:"), "version 2", "install"),
        ("garbage".to_owned(), "no invitation", "v6tun-server invite NAME"),
    ])
}

#[test]
fn what_is_no_whole_invitation_is_refused_with_a_reason_and_writes_nothing() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let client = server.client(lab, &lab.pc)?;
        for (text, what, hint) in mangled(&server.invitation)? {
            for subcommand in ["up", "join"] {
                let refused = client.run(&format!("{subcommand} {text}"))?;
                let said = refused.stderr.clone();
                ensure!(refused.code == Some(2), "{text}: {refused:?}");
                ensure!(said.contains(what) && said.contains("hint: "), "{what:?}: {refused:?}");
                ensure!(said.contains(hint), "{hint:?}: {refused:?}");
                ensure!(!said.contains(&text) || text.len() < 20, "it repeats the secret: {said}");
            }
            ensure!(!client.config().exists() && client.read_private_key().is_err(), "{text}: files");
        }
        ensure!(client.join(&server.invitation)?.success(), "the whole one is refused, too");
        Ok(())
    })
}

#[test]
fn a_pc_that_is_a_client_elsewhere_keeps_what_it_has() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let client = server.client(lab, &lab.pc)?;
        ensure!(client.join(&server.invitation)?.success(), "it does not join");
        let written = std::fs::read_to_string(client.config())?;
        let refused = client.join(&forged(PrivateKey::generate()?.public_key())?)?;
        ensure!(!refused.success() && refused.stderr.contains("hint: "), "{refused:?}");
        ensure!(refused.stderr.contains("forget"), "{refused:?}");
        assert_eq!(std::fs::read_to_string(client.config())?, written);
        let _connected = client.up()?;
        must_reach(&lab.pc, SITE_IPV6)
    })
}
