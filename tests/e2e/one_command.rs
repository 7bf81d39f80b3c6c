//! One command on the VPS, one on the PC, and nothing typed but an invitation: the turtle dances.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, SITE_NAME};
use v6tun_tests::lab::{Lab, Namespace, Options, Snapshot, VpsShape};
use v6tun_tests::product::{FreshServer, Installation};
use v6tun_tests::turtle_site::{DANCES, KEEPS_STILL};

use crate::options;
use crate::tools::{must_reach, wait_until_settled};

/// Two commands, and all that must come of them; then two more, and all is as before.
fn assert_two_commands_do(shape: VpsShape) -> Result<()> {
    Lab::run(&Options { vps_shape: shape, ..options() }, |lab| {
        wait_until_settled(&lab.pc)?;
        let before = [Snapshot::take(&lab.vps)?, Snapshot::take(&lab.pc)?];
        ensure!(page(&lab.pc)?.contains(KEEPS_STILL), "it dances before");

        let server = FreshServer::up(lab)?;
        let client = server.client(lab, &lab.pc)?;
        let _connected = client.up_with(&server.invitation)?;
        let (page, address) = (page(&lab.pc)?, client.address()?);
        ensure!(page.contains(DANCES) && page.contains(&address.to_string()), "{address}: {page}");
        for machine in [&lab.site, &lab.neighbour, &lab.vps] {
            must_reach(machine, address)?;
        }

        client.down()?;
        server.installation.down()?;
        for (before, machine) in before.iter().zip([&lab.vps, &lab.pc]) {
            assert_eq!(before.difference(&Snapshot::take(machine)?), "", "{}", machine.role());
        }
        Ok(())
    })
}

fn page(pc: &Namespace) -> Result<String> {
    pc.output(&format!("curl -sS -m 10 http://{SITE_NAME}/"))
}

#[test]
fn two_commands_do_where_seventeen_addresses_are_listed() -> Result<()> {
    assert_two_commands_do(VpsShape::SeventeenListed)
}

#[test]
fn two_commands_do_where_one_address_stands_in_an_on_link_prefix() -> Result<()> {
    assert_two_commands_do(VpsShape::OneOnLink)
}

#[test]
fn two_commands_do_where_a_prefix_is_routed_to_the_vps() -> Result<()> {
    assert_two_commands_do(VpsShape::RoutedPrefix)
}

#[test]
fn the_files_that_up_writes_are_the_owners_alone_and_serve_the_next_up_without_an_invitation() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        ensure!(
            !server.process.stderr().contains("v6tun1:"),
            "the logger saw it: {}",
            server.process.stderr()
        );
        let config = server.installation.config().to_owned();
        for file in [config.clone(), config.with_extension("key")] {
            let mode = fs::metadata(&file)?.permissions().mode() & 0o7777;
            ensure!(mode == 0o600, "{} has mode {mode:o}", file.display());
        }
        let written = fs::read_to_string(&config)?;
        ensure!(written.lines().any(|line| line.starts_with('#')), "without comments: {written}");
        server.installation.down()?;

        let again = server.installation.up()?;
        ensure!(!again.stdout().contains("v6tun1:"), "a second invitation: {}", again.stdout());
        assert_eq!(fs::read_to_string(&config)?, written);
        let _client = server.client(lab, &lab.pc)?.up_with(&server.invitation)?;
        must_reach(&lab.pc, SITE_IPV6)
    })
}

#[test]
fn init_writes_the_configuration_alone_and_a_dry_run_nothing() -> Result<()> {
    for shape in [VpsShape::SeventeenListed, VpsShape::OneOnLink, VpsShape::RoutedPrefix] {
        Lab::run(&Options { vps_shape: shape, ..options() }, |lab| {
            let before = Snapshot::take(&lab.vps)?;
            let server = Installation::bare(lab, "v6tun-server", &lab.vps)?;
            let shown = server.must("up --dry-run")?;
            ensure!(shown.contains("[pool]") && shown.contains("ens3"), "{shape:?}: {shown}");
            ensure!(!server.config().exists(), "{shape:?}: the dry run wrote {}", server.config().display());

            server.must("init --yes")?;
            ensure!(
                server.config().exists() && server.read_private_key().is_ok(),
                "{shape:?}: nothing written"
            );
            assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "", "{shape:?}");
            server.up().map(drop)
        })?;
    }
    Ok(())
}

#[test]
fn an_invitation_is_read_from_standard_input() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let client = server.client(lab, &lab.pc)?;
        // As it is pasted: the whole line, with what a terminal puts around it.
        let joined =
            client.run_with_input("join -", &format!("  v6tun-client up {}\r\n", server.invitation))?;
        ensure!(joined.success(), "{joined:?}");
        let _connected = client.up()?;
        must_reach(&lab.pc, SITE_IPV6)
    })
}
