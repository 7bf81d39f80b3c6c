//! Another prefix, or another interface, in the place of the uplink's.

use std::fs;
use std::net::Ipv6Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, VPS_IPV4};
use v6tun_tests::lab::{Lab, Options, Snapshot, VpsShape, wait_until};
use v6tun_tests::product::{Deployment, Installation};

use crate::tools::{must_reach, wait_for_address};

const OLD: &str = "2001:db8:1301:740:";
const NEW: &str = "2001:db8:1301:7b0:";
/// A prefix is believed after ten seconds, and looked at every five.
const PATIENCE: Duration = Duration::from_secs(30);

/// A VPS of one address, whose router tells nobody anything.
fn options() -> Options {
    Options { router_advertisements: false, ..Options::with_vps(VpsShape::OneOnLink) }
}

/// Lends from the link's prefix, in which the laptop has an address of its own choice.
fn install(lab: &Lab) -> Result<Deployment> {
    lab.vps.ip(&format!(
        "address del {OLD}133:0:113:233/64 dev ens3
         address add {OLD}133:0:113:233/64 dev ens3 nodad
         route add default via fe80::740:1 dev ens3"
    ))?;
    let deployment = Deployment::install(lab)?;
    let config = fs::read_to_string(deployment.server.config())?;
    let listed = config.lines().find(|line| line.starts_with("addresses = ")).context("a pool")?;
    let config =
        config.replace(listed, &format!("prefix = \"{OLD}:/64\"")) + &format!("address = \"{OLD}:77\"\n");
    deployment.server.write_config(&config)?;
    Ok(deployment)
}

/// The router and the VPS have another prefix from now on.
fn renumber(lab: &Lab, from: &str, to: &str) -> Result<()> {
    lab.provider.ip(&format!("address replace {to}:1/64 dev segment nodad"))?;
    lab.vps.ip(&format!(
        "address add {to}133:0:113:233/64 dev ens3 nodad
         address del {from}133:0:113:233/64 dev ens3"
    ))
}

fn in_new_prefix(address: Ipv6Addr, from: &str, to: &str) -> Result<Ipv6Addr> {
    let of = |prefix: &str| Ok::<_, anyhow::Error>(format!("{prefix}:").parse::<Ipv6Addr>()?.to_bits());
    Ok(Ipv6Addr::from_bits(address.to_bits() ^ of(from)? ^ of(to)?))
}

fn moved(client: &Installation, former: Ipv6Addr) -> Result<Ipv6Addr> {
    let address = in_new_prefix(former, OLD, NEW)?;
    wait_for_address(client, address, PATIENCE)?;
    Ok(address)
}

#[test]
fn clients_follow_the_uplink_to_another_prefix_and_keep_their_identifiers() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let server = deployment.server.up()?;
        let _clients = [deployment.pc.up()?, deployment.laptop.up()?];
        let (of_pc, of_laptop) = (deployment.pc.address()?, deployment.laptop.address()?);
        ensure!(of_laptop == format!("{OLD}:77").parse::<Ipv6Addr>()?, "{of_laptop}");
        must_reach(&lab.pc, SITE_IPV6)?;
        renumber(lab, OLD, NEW)?;
        let addresses = [moved(&deployment.pc, of_pc)?, moved(&deployment.laptop, of_laptop)?];
        for (pc, address) in [&lab.pc, &lab.laptop].into_iter().zip(addresses) {
            must_reach(pc, SITE_IPV6)?;
            must_reach(&lab.site, address)?;
        }
        let said = server.stderr();
        ensure!(said.contains(&format!("{NEW}:/64 in the place of {OLD}:/64")), "{said}");
        wait_until("nothing of the old prefix to be left", PATIENCE, || {
            let all =
                lab.vps.output("ip -6 neigh show proxy")? + &lab.vps.output("ip -6 route show table all")?;
            Ok(!all.contains(OLD))
        })?;
        // The file still says the old prefix.
        drop(server);
        let server = deployment.server.up()?;
        ensure!(server.stderr().contains("not on the uplink any more"), "{}", server.stderr());
        for (number, pc) in [&lab.pc, &lab.laptop].into_iter().enumerate() {
            wait_until("the tunnel to be back", PATIENCE, || {
                Ok(pc.run(&format!("ping -n -c 1 -W 1 {SITE_IPV6}"))?.success())
            })?;
            must_reach(&lab.site, addresses[number])?;
        }
        let checks = deployment.server.run("doctor --json")?;
        ensure!(checks.stdout.contains("not on the uplink any more"), "{checks:?}");
        // And back to what it says.
        renumber(lab, NEW, OLD)?;
        wait_for_address(&deployment.pc, of_pc, PATIENCE)?;
        wait_for_address(&deployment.laptop, of_laptop, PATIENCE)?;
        drop(server);
        deployment.server.down()?;
        wait_until("all to be as before", PATIENCE, || {
            Ok(before.difference(&Snapshot::take(&lab.vps)?).is_empty())
        })
        .with_context(|| {
            Snapshot::take(&lab.vps).map_or_else(|e| e.to_string(), |now| before.difference(&now))
        })
    })
}

#[test]
fn a_prefix_that_never_was_on_the_uplink_is_refused_and_not_followed() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = install(lab)?;
        let config = fs::read_to_string(deployment.server.config())?;
        deployment.server.write_config(&config.replace(OLD, NEW))?;
        let refused = deployment.server.run("up")?;
        ensure!(refused.code == Some(1) && refused.stderr.contains("routed = true"), "{refused:?}");
        Ok(())
    })
}

#[test]
fn another_interface_in_the_uplinks_place_is_followed() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = install(lab)?;
        let _server = deployment.server.up()?;
        let _pc = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        let addresses = lab.vps.output("ip -6 -o address show dev ens3 scope global")?;
        let address = addresses.split_whitespace().find(|word| word.contains('/')).context("an address")?;
        let mac = lab.vps.output("cat /sys/class/net/ens3/address")?;
        lab.vps.ip("link del ens3")?;
        lab.segment.ip(&format!(
            "link add name vps type veth peer name eth7 address {} netns {}
             link set vps master switch up",
            mac.trim(),
            lab.vps.name()
        ))?;
        lab.vps.ip(&format!(
            "address add {VPS_IPV4}/24 dev eth7
             address add {address} dev eth7 nodad
             link set eth7 up
             route add default via 203.0.113.1
             route add default via fe80::740:1 dev eth7"
        ))?;
        wait_until("the status to have the new name", PATIENCE, || {
            Ok(deployment.server.status()?["uplink"] == "eth7")
        })?;
        wait_until("the site", PATIENCE, || {
            Ok(lab.pc.run(&format!("ping -n -c 1 -W 1 {SITE_IPV6}"))?.success())
        })?;
        must_reach(&lab.site, deployment.pc.address()?)
    })
}
