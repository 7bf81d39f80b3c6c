//! An address that somebody else uses is never lent, and one that is lent is nobody else's.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Ipv6Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_proto::lease::Pool;
use v6tun_tests::lab::address::{ON_LINK_PREFIX, SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Process, VpsShape, advertise_address, wait_until};
use v6tun_tests::product::{FreshServer, Installation, client_toml};

use crate::options;
use crate::tools::{connection, latest_handshake, must_reach, wait_for_address};

/// How soon a lent address must leave the uplink again.
const REPAIR_LIMIT: Duration = Duration::from_secs(1);

/// A server on the shape with a prefix of its own, a client whose key is known before it ever connects, and so the
/// addresses that this key derives to.
struct Scene<'a> {
    lab: &'a Lab,
    server: FreshServer,
    pc: Installation,
    candidates: Vec<Ipv6Addr>,
}

impl<'a> Scene<'a> {
    fn set(lab: &'a Lab) -> Result<Self> {
        let server = FreshServer::up(lab)?;
        let pc = Installation::new(lab, "v6tun-client", &lab.pc)?;
        pc.write_config(&client_toml(&server.installation))?;
        server.installation.must(&format!("client add pc --public-key {}", pc.public_key()))?;
        let pool = Pool::Derived(ON_LINK_PREFIX.parse().context("the prefix")?);
        let candidates = pool.candidates(&pc.read_public_key()?).take(3).collect();
        Ok(Self { lab, server, pc, candidates })
    }

    /// The neighbour takes an address without asking whether somebody has it.
    fn neighbour_takes(&self, address: Ipv6Addr) -> Result<()> {
        self.lab.neighbour.ip(&format!("address add {address}/64 dev ens3 nodad"))
    }

    /// The site reaches the neighbour at `address`, not the VPS.
    fn assert_still_the_neighbours(&self, address: Ipv6Addr) -> Result<()> {
        self.lab.provider.ip("neighbour flush dev segment")?;
        must_reach(&self.lab.site, address)?;
        let entry = self.lab.provider.output(&format!("ip -6 neighbour show {address} dev segment"))?;
        let mac = self.lab.neighbour.output("cat /sys/class/net/ens3/address")?;
        ensure!(entry.contains(mac.trim()), "{address} is not the neighbour's ({}): {entry}", mac.trim());
        Ok(())
    }
}

#[test]
fn a_client_gets_the_address_that_its_key_derives_to() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let scene = Scene::set(lab)?;
        let _connected = scene.pc.up()?;
        assert_eq!(scene.pc.address()?, scene.candidates[0]);
        must_reach(&lab.site, scene.candidates[0])
    })
}

#[test]
fn the_addresses_that_a_neighbour_holds_are_passed_over() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let scene = Scene::set(lab)?;
        let (held, free) = (&scene.candidates[..2], scene.candidates[2]);
        held.iter().try_for_each(|address| scene.neighbour_takes(*address))?;
        let connected = scene.pc.up()?;
        ensure!(connected.stdout().contains(&format!("up {free} via")), "{}", connected.stdout());
        must_reach(&lab.pc, SITE_IPV6)?;
        for machine in [&lab.site, &lab.neighbour] {
            must_reach(machine, free)?;
        }
        must_reach(&lab.pc, held[0])?;
        held.iter().try_for_each(|address| scene.assert_still_the_neighbours(*address))
    })
}

#[test]
fn a_neighbour_that_takes_the_address_a_second_late_moves_the_client_within_its_session() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let scene = Scene::set(lab)?;
        let mut connected = scene.pc.up()?;
        let (first, second) = (scene.candidates[0], scene.candidates[1]);
        assert_eq!(scene.pc.address()?, first);
        must_reach(&lab.pc, SITE_IPV6)?;
        let handshake = latest_handshake(&scene.pc)?;
        scene.neighbour_takes(first)?;
        advertise_address(&lab.neighbour, "ens3", first)?;

        wait_for_address(&scene.pc, second, Duration::from_secs(3))?;
        must_reach(&lab.pc, SITE_IPV6)?;
        must_reach(&lab.site, second)?;
        scene.assert_still_the_neighbours(first)?;
        assert_eq!(latest_handshake(&scene.pc)?, handshake, "it shook hands again");
        ensure!(connected.is_running()?, "the client ended");
        assert_eq!(scene.server.installation.address_of("pc")?, second);
        Ok(())
    })
}

#[test]
fn a_client_that_is_moved_late_is_not_moved_to_an_address_that_a_neighbour_has() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let scene = Scene::set(lab)?;
        scene.neighbour_takes(scene.candidates[1])?;
        let _connected = scene.pc.up()?;
        scene.neighbour_takes(scene.candidates[0])?;
        advertise_address(&lab.neighbour, "ens3", scene.candidates[0])?;
        wait_for_address(&scene.pc, scene.candidates[2], Duration::from_secs(3))?;
        must_reach(&lab.site, scene.candidates[2])?;
        scene.candidates[..2].iter().try_for_each(|address| scene.assert_still_the_neighbours(*address))
    })
}

#[test]
fn what_the_host_itself_uses_is_left_out_of_the_pool() -> Result<()> {
    Lab::run(&options(), |lab| {
        let ssh = connection(&lab.site, &lab.vps, leasable(5), 22)?;
        let bound = lab.vps.enter(|| Ok(std::net::TcpListener::bind((leasable(6), 8080))?))?;
        let server = Installation::bare(lab, "v6tun-server", &lab.vps)?;
        server.must("init --yes")?;
        let written = fs::read_to_string(server.config())?;
        let lent = |address: Ipv6Addr| {
            let quoted = format!("\"{address}\"");
            written.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(&quoted))
        };
        for (address, why) in [
            (leasable(5), "the SSH connection's"),
            (leasable(6), "a listener's"),
            (leasable(15), "the preferred source"),
        ] {
            ensure!(!lent(address), "{address} is {why}: {written}");
        }
        for address in [leasable(0), leasable(4), leasable(7), leasable(14)] {
            ensure!(lent(address), "{address} is missing: {written}");
        }
        drop((ssh, bound));
        Ok(())
    })
}

#[test]
fn an_address_that_ssh_uses_when_its_turn_comes_is_not_lent() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let pc = server.client(lab, &lab.pc)?;
        ensure!(pc.join(&server.invitation)?.success(), "it does not join");
        let name = server.installation.client_names()?.pop().context("no client")?;
        let promised = server.installation.address_of(&name)?;
        let (_listener, mut administrator, mut shell) = connection(&lab.site, &lab.vps, promised, 22)?;
        let _connecting = pc.start_up()?;
        wait_until("the server to see the SSH connection", Duration::from_secs(10), || {
            let is_moved = pc.address().is_ok_and(|address| address != promised);
            Ok(is_moved || server.process.stderr().contains("SSH connection"))
        })?;
        let standing = lab.vps.output("ip -6 address show dev ens3")?;
        ensure!(standing.contains(&format!("{promised}/64")), "the administrator's {promised} was lent");
        let mut typed = [0; 2];
        administrator.write_all(b"ls")?;
        shell.set_read_timeout(Some(Duration::from_secs(5)))?;
        shell.read_exact(&mut typed).context("the administrator's connection")
    })
}

#[test]
fn boot_configuration_that_puts_a_lent_address_back_is_undone_within_a_second_and_logged() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let pc = server.client(lab, &lab.pc)?;
        let _connected = pc.up_with(&server.invitation)?;
        let address = pc.address()?;
        let stands = || {
            Ok::<_, anyhow::Error>(
                lab.vps.output("ip -6 address show dev ens3")?.contains(&format!("{address}/")),
            )
        };
        ensure!(!stands()?, "{address} stands on the uplink while it is lent");
        for _ in 0..3 {
            let said = server.process.stderr().len();
            lab.vps.ip(&format!("address add {address}/64 dev ens3"))?;
            wait_until("the address to go again", REPAIR_LIMIT, || Ok(!stands()?))?;
            wait_for_log(&server.process, said, &address.to_string())?;
            must_reach(&lab.site, address)?;
        }
        Ok(())
    })
}

/// Waits until the log has a line with `text` after its first `from` bytes.
fn wait_for_log(process: &Process, from: usize, text: &str) -> Result<()> {
    wait_until("the repair to be logged", Duration::from_secs(2), || {
        Ok(process.stderr().get(from..).is_some_and(|new| new.contains(text)))
    })
}
