//! The server's own table of nftables: forwarding for the tunnel alone, and for sources that are leased.

use std::fs;
use std::io::Write as _;
use std::net::Ipv6Addr;
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Namespace, Options, Process, Snapshot, wait_until};
use v6tun_tests::product::{Deployment, Installation};

use crate::tools::must_reach;

const PATIENCE: Duration = Duration::from_secs(10);
/// In the network of a third interface of the VPS; nobody is there.
const THIRD: &str = "2001:db8:99::5";

#[test]
fn a_packet_written_straight_to_the_tun_passes_only_from_a_leased_source() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (server, _client) = (deployment.server.up()?, deployment.pc.up()?);
        must_reach(&lab.pc, SITE_IPV6)?;
        let (leased, free) = (leasable(0), leasable(1));
        for source in [leased, free] {
            count(&lab.provider, &source.to_string(), "forward", &format!("ip6 saddr {source}"))?;
            write_to_tun(&server, &echo_request(source, SITE_IPV6))?;
        }
        wait_until("the leased source's packet", PATIENCE, || {
            Ok(counted(&lab.provider, &leased.to_string())? == 1)
        })?;
        // It was written before that one.
        ensure!(counted(&lab.provider, &free.to_string())? == 0, "the other's came, too");
        Ok(())
    })
}

#[test]
fn nothing_is_forwarded_to_a_third_interface_nor_from_it() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let config = fs::read_to_string(deployment.server.config())?;
        lab.vps.ip("link add third type veth peer name third-peer
                    link set third up
                    link set third-peer up
                    address add 2001:db8:99::1/64 dev third nodad")?;
        for forwarding in ["auto", "all"] {
            deployment
                .server
                .write_config(&format!("{config}\n[uplink]\nforwarding = \"{forwarding}\"\n"))?;
            let _running = [deployment.server.up()?, deployment.pc.up()?];
            must_reach(&lab.pc, SITE_IPV6)?;
            count(&lab.vps, "third", "postrouting", &format!("oifname third ip6 daddr {THIRD}"))?;
            lab.pc.run(&format!("ping -n -c 3 -i 0.1 -W 1 {THIRD}"))?;
            ensure!(counted(&lab.vps, "third")? == 0, "{forwarding}: it was forwarded there");
            // As it would be, but for the table.
            lab.vps.nft("delete chain ip6 v6tun0 forward")?;
            lab.pc.run(&format!("ping -n -c 1 -W 1 {THIRD}"))?;
            ensure!(counted(&lab.vps, "third")? > 0, "{forwarding}: the test tests nothing");
            lab.vps.nft("delete table ip6 third")?;
            deployment.pc.down()?;
            deployment.server.down()?;
        }
        Ok(())
    })
}

#[test]
fn a_table_that_somebody_changes_or_deletes_is_put_back_and_goes_with_down() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let list = || lab.vps.run("nft --stateless list table ip6 v6tun0").map(|listed| listed.stdout);
        let as_set = list()?;
        ensure!(as_set.contains("fib saddr . iif oif missing"), "{as_set}");
        for change in
            ["delete table ip6 v6tun0", "flush chain ip6 v6tun0 forward", "add chain ip6 v6tun0 mine"]
        {
            // It may be put back at once.
            lab.vps.nft(change)?;
            wait_until("the table to be as before", PATIENCE, || Ok(list()? == as_set)).context(change)?;
        }
        deployment.server.down()?;
        ensure!(list()?.is_empty(), "it is left behind");
        Ok(())
    })
}

#[test]
fn a_host_that_becomes_a_router_meanwhile_forwards_for_others_as_well() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let limits = || Ok(lab.vps.output("nft list table ip6 v6tun0")?.contains("oifgroup"));
        ensure!(limits()?, "nothing is limited at first");
        lab.vps.set_sysctls(&[("net/ipv6/conf/all/forwarding", "1")])?;
        wait_until("the limit to go", PATIENCE, || Ok(!limits()?))?;
        lab.vps.set_sysctls(&[("net/ipv6/conf/all/forwarding", "0")])?;
        wait_until("the limit to come back", PATIENCE, limits)
    })
}

#[test]
fn a_host_without_nft_is_served_without_the_table() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let mut server = lab.vps.spawn("without-nft", &without_nft(&deployment.server, "up")?)?;
        server.wait_for_line("v6tun-server: up", PATIENCE)?;
        ensure!(server.stderr().contains("no rules for nftables"), "{}", server.stderr());
        let _client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        deployment.server.down()
    })
}

#[test]
fn where_nft_has_gone_the_rest_is_restored_and_a_later_down_takes_the_table_as_well() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let mut server = deployment.server.up()?;
        let client = deployment.pc.up()?;
        server.kill()?;
        drop(client);
        let finished = lab.vps.run(&without_nft(&deployment.server, "down")?)?;
        ensure!(finished.code == Some(1) && finished.stderr.contains("nftables"), "{finished:?}");
        let difference = before.difference(&Snapshot::take(&lab.vps)?);
        ensure!(difference.contains("table ip6 v6tun0") && !difference.contains("2330"), "{difference}");
        deployment.server.down()?;
        let difference = before.difference(&Snapshot::take(&lab.vps)?);
        ensure!(difference.is_empty(), "{difference}");
        Ok(())
    })
}

/// A command of the server's where nobody finds `nft`.
fn without_nft(server: &Installation, command: &str) -> Result<String> {
    let script = server.dir().join("without-nft");
    let line = server.command_line(command);
    fs::write(&script, format!("mount --bind /dev/null /usr/sbin/nft && exec {line}\n"))?;
    Ok(format!("unshare --mount sh {}", script.display()))
}

/// Begins to count packets in a table of that name, which must be no word of nft's language.
fn count(host: &Namespace, name: &str, hook: &str, what: &str) -> Result<()> {
    let table = table_of(name);
    host.nft(&format!(
        "table ip6 {table} {{ chain counts {{ type filter hook {hook} priority 300; {what} counter; }}; }}"
    ))
}

fn counted(host: &Namespace, name: &str) -> Result<u64> {
    let said = host.output(&format!("nft list table ip6 {}", table_of(name)))?;
    let number = said.split("counter packets ").nth(1).and_then(|rest| rest.split(' ').next());
    Ok(number.with_context(|| said.clone())?.parse()?)
}

fn table_of(name: &str) -> String {
    if name.contains(':') { format!("from_{}", name.replace(':', "_")) } else { name.to_owned() }
}

/// Writes to the server's own tun, as the server does: a virtio header without any offload, and the packet.
fn write_to_tun(server: &Process, packet: &[u8]) -> Result<()> {
    let pid = server.id();
    let is_tun = |entry: &fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|to| to.ends_with("net/tun"));
    let mut descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    let number = descriptors.find(is_tun).context("the server has no tun")?.file_name();
    let number: i32 = number.to_string_lossy().parse()?;
    let process = pidfd_open(Pid::from_raw(pid.cast_signed()).context("a process id")?, PidfdFlags::empty())?;
    let tun = pidfd_getfd(process.as_fd(), number, PidfdGetfdFlags::empty())?;
    let bytes = [&[0; 10], packet].concat();
    let written = fs::File::from(tun).write(&bytes)?;
    ensure!(written == bytes.len(), "{written} bytes were taken");
    Ok(())
}

/// An ICMPv6 echo request.
fn echo_request(source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![128, 0, 0, 0, 0, 1, 0, 1];
    let pseudo = [&source.octets()[..], &destination.octets(), &[0, 0, 0, 8, 0, 0, 0, 58], &message].concat();
    let words = pseudo.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(0);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    [&[0x60, 0, 0, 0, 0, 8, 58, 64], &source.octets()[..], &destination.octets(), &message].concat()
}
