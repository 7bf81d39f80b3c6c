//! What the server will not do with its clients, and why it says so.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{NEIGHBOUR_IPV6, SITE_IPV6, VPS_IPV4, leasable};
use v6tun_tests::lab::{Finished, Lab};
use v6tun_tests::product::{Deployment, FreshServer, Installation, PORT, server_toml};

use super::{Scene, new_public_key};
use crate::options;
use crate::tools::must_reach;

/// Exit code 1 or 2 with what, why and a hint; a word that the command line has no place for is told with usage.
fn assert_told(finished: &Finished, parts: &[&str]) -> Result<()> {
    ensure!(matches!(finished.code, Some(1 | 2)), "{finished:?}");
    if finished.stderr.starts_with("error: ") {
        ensure!(parts.iter().all(|part| finished.stderr.contains(part)), "{parts:?} expected: {finished:?}");
        return Ok(());
    }
    let mut lines = finished.stderr.lines();
    let what = lines.find(|line| line.starts_with("v6tun-")).with_context(|| format!("{finished:?}"))?;
    for part in parts {
        ensure!(what.contains(part), "{part:?} expected: {finished:?}");
    }
    ensure!(lines.next().is_some_and(|line| line.starts_with("hint: ")), "no hint: {finished:?}");
    Ok(())
}

#[test]
fn what_stands_in_the_configuration_is_changed_there_and_the_line_is_named() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let config = std::fs::read_to_string(deployment.server.config())?;
        let line = config.lines().position(|line| line == "name = \"pc\"").context("no pc")?;
        // The table's header or the line below it.
        let places = [format!("config.toml:{line}"), format!("config.toml:{}", line + 1)];
        let commands = [
            "client revoke pc".to_owned(),
            format!("client move pc {}", leasable(4)),
            "client rename pc desk".to_owned(),
        ];
        let assert_all = || -> Result<()> {
            for command in &commands {
                let refused = deployment.server.run(command)?;
                assert_told(&refused, &["pc"]).with_context(|| command.clone())?;
                ensure!(places.iter().any(|place| refused.stderr.contains(place)), "{places:?}: {refused:?}");
            }
            Ok(())
        };
        assert_all().context("without a server")?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        assert_all().context("beside a running server")?;
        must_reach(&lab.pc, SITE_IPV6)
    })
}

#[test]
fn names_keys_and_addresses_that_are_taken_or_unfit_are_refused() -> Result<()> {
    Lab::run(&options(), |lab| {
        let scene = Scene::set(lab)?;
        let (key, new) = (scene.pc.read_public_key()?.to_string(), new_public_key()?);
        let own = scene.server.installation.public_key().to_owned();
        let (taken, low_order) = (scene.pc.address()?, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let cases: [(String, &[&str]); 12] = [
            (format!("client add pc --public-key {new}"), &["pc", "taken"]),
            ("client rename laptop pc".to_owned(), &["pc", "taken"]),
            (format!("client add PC_1 --public-key {new}"), &["PC_1"]),
            (format!("client add tv --public-key {key}"), &["pc"]),
            (format!("client add tv --public-key {own}"), &["own"]),
            (format!("client add tv --public-key {low_order}"), &["low order"]),
            (format!("client add tv --public-key {new} --address {taken}"), &["pc"]),
            (format!("client move laptop {taken}"), &["pc"]),
            (format!("client add tv --public-key {new} --address {NEIGHBOUR_IPV6}"), &["234"]),
            (format!("client add tv --public-key {new} --address 2001:db8:ffff::1"), &["2001:db8:ffff::1"]),
            ("client revoke nobody".to_owned(), &["nobody"]),
            ("invite pc".to_owned(), &["pc", "taken"]),
        ];
        let mut wrong = Vec::new();
        for (command, parts) in cases {
            let finished = scene.server.installation.run(&command)?;
            if let Err(error) = assert_told(&finished, parts) {
                wrong.push(format!("{command}: {error:#}"));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(scene.server.installation.client_names()?, ["laptop", "pc"]);
        must_reach(&lab.pc, SITE_IPV6)
    })
}

/// A server whose pool has two addresses.
fn server_of_two(lab: &Lab) -> Result<Installation> {
    let server = Installation::new(lab, "v6tun-server", &lab.vps)?;
    let endpoint = format!("endpoint = \"{VPS_IPV4}:{PORT}\"\n");
    server.write_config(&(endpoint + &server_toml(&[leasable(0), leasable(1)], &[])))?;
    Ok(server)
}

#[test]
fn a_full_pool_refuses_the_next_client_with_the_reason_and_keeps_the_others() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = server_of_two(lab)?;
        let process = server.up()?;
        let invitations = [server.invite("pc")?, server.invite("laptop")?];
        // Every address is promised now.
        let add = format!("client add tv --public-key {}", new_public_key()?);
        for command in ["invite third", &add] {
            assert_told(&server.run(command)?, &["no address", "promise 2"])?;
        }
        server.down()?;
        drop(process);
        let written = fs::read_to_string(server.config())?;
        server.write_config(&written.replace(&format!(", \"{}\"", leasable(1)), ""))?;
        let process = server.up()?;
        let pc = Installation::bare(lab, "v6tun-client", &lab.pc)?;
        let _connected = pc.up_with(&invitations[0])?;
        let laptop = Installation::bare(lab, "v6tun-client", &lab.laptop)?;
        let refused = laptop.join(&invitations[1])?;
        ensure!(refused.code == Some(1), "{refused:?}");
        assert_told(&refused, &["no address"])?;
        ensure!(process.stderr().contains("laptop"), "the server does not say who: {}", process.stderr());
        let command = format!("client add radio --public-key {}", new_public_key()?);
        assert_told(&server.run(&command)?, &["no address"])?;
        must_reach(&lab.pc, SITE_IPV6)?;

        // Once there is room, the same invitation does.
        server.down()?;
        drop(process);
        server.write_config(&written)?;
        let _process = server.up()?;
        let _connected = laptop.up_with(&invitations[1])?;
        must_reach(&lab.laptop, SITE_IPV6)
    })
}

#[test]
fn an_invitation_that_could_lead_nowhere_is_not_made() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        for (options, part) in [
            ("tv --endpoint 203.0.113.233:0", "port"),
            ("tv --endpoint :51820", "endpoint"),
            ("tv --expires 0s", "expires"),
            ("tv --expires soon", "expires"),
            ("Tv", "Tv"),
        ] {
            let finished = server.installation.run(&format!("invite {options}"))?;
            ensure!(finished.code == Some(2) && finished.stderr.contains(part), "{options}: {finished:?}");
            ensure!(!finished.stdout.contains("v6tun1:"), "{options}: {finished:?}");
        }
        Ok(())
    })
}
