//! The lab behaves as the article's network does, before v6tun enters it.

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::hostile_peer::{receive, socket_in};
use v6tun_tests::lab::address::{
    CARRIER_SIDE, NEIGHBOUR_IPV6, ROUTED_IPV6, SITE_IPV4, SITE_IPV6, VPS_IPV4, VPS_IPV6, leasable,
};
use v6tun_tests::lab::relay::{Path, Relay};
use v6tun_tests::lab::{
    Lab, Namespace, Options, Snapshot, VpsShape, advertise_address, ownership, wait_until,
};
use v6tun_tests::turtle_site::{DANCES, KEEPS_STILL};

fn ping(from: &Namespace, to: impl std::fmt::Display) -> Result<bool> {
    Ok(from.run(&format!("ping -n -c 1 -W 2 {to}"))?.success())
}

#[test]
fn the_pc_reaches_the_vps_through_two_nats_and_has_no_ipv6() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        ensure!(ping(&lab.pc, VPS_IPV4)?, "the pc does not reach the VPS by IPv4");
        let trace = lab.pc.output(&format!("traceroute -n -4 -q 1 -w 2 {SITE_IPV4}"))?;
        let hops: Vec<&str> =
            trace.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(hops, ["192.168.1.1", "10.20.0.1", "198.51.100.1", "192.0.2.80"], "{trace}");

        let addresses = lab.pc.output("ip -6 -o address show scope global")?;
        assert_eq!(addresses, "");
        ensure!(!ping(&lab.pc, SITE_IPV6)?, "the pc reaches the site by IPv6");
        let page = lab.pc.output("curl -sS -m 5 http://www.turtle.example/")?;
        ensure!(page.contains(KEEPS_STILL) && page.contains("198.51.100.2"), "{page}");
        Ok(())
    })
}

#[test]
fn the_vps_is_as_the_article_found_it() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let default = lab.vps.output("ip -6 route show default")?;
        for part in ["via fe80::740:1 dev ens3 proto ra", "hoplimit 64", "pref high", "expires 1"] {
            ensure!(default.contains(part), "{part:?} is missing from: {default}");
        }
        let on_link = lab.vps.output("ip -6 route show 2001:db8:1301:740::/64")?;
        ensure!(on_link.contains("dev ens3"), "the on-link prefix is not learnt: {on_link}");
        let addresses = lab.vps.output("ip -6 -o address show dev ens3 scope global")?;
        assert_eq!(addresses.lines().count(), 17, "{addresses}");
        ensure!(!addresses.contains("tentative") && !addresses.contains("nodad"), "{addresses}");

        let chosen = lab.vps.output(&format!("ip -6 route get {SITE_IPV6}"))?;
        ensure!(chosen.contains(&format!("src {}", leasable(15))), "{chosen}");
        ensure!(ping(&lab.vps, SITE_IPV6)?, "the VPS does not reach the site by IPv6");
        ensure!(ping(&lab.vps, NEIGHBOUR_IPV6)?, "the VPS does not reach its neighbour");
        let page = lab.vps.output("curl -sS -m 5 http://www.turtle.example/")?;
        ensure!(page.contains(DANCES), "{page}");
        Ok(())
    })
}

#[test]
fn the_home_lets_no_connection_in() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        lab.carrier.ip("route add 192.168.1.0/24 via 10.20.30.40")?;
        ensure!(!ping(&lab.carrier, "192.168.1.10")?, "the home router lets a ping in");
        Ok(())
    })
}

#[test]
fn two_looks_at_an_untouched_vps_are_equal() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let before = Snapshot::take(&lab.vps)?;
        assert!(before.facts() > 300, "only {} facts", before.facts());
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

#[test]
fn a_snapshot_sees_each_thing_that_could_be_left_behind() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let address = leasable(0);
        let batches = [
            (format!("neigh add proxy {address} dev ens3"), format!("neigh del proxy {address} dev ens3")),
            ("route add unreachable 2001:db8::/128".into(), "route del unreachable 2001:db8::/128".into()),
            ("tuntap add v6tun0 mode tun".into(), "tuntap del v6tun0 mode tun".into()),
            ("rule add pref 99 iif ens3 table 99".into(), "rule del pref 99 iif ens3 table 99".into()),
            // Last: the order of addresses is not brought back by the inverse command.
            (
                format!("address del {address}/64 dev ens3"),
                format!("address add {address}/64 dev ens3 nodad"),
            ),
        ];
        for (act, undo) in batches {
            let before = Snapshot::take(&lab.vps)?;
            lab.vps.ip(&act)?;
            ensure!(!before.difference(&Snapshot::take(&lab.vps)?).is_empty(), "{act} goes unseen");
            lab.vps.ip(&undo)?;
        }
        let before = Snapshot::take(&lab.vps)?;
        lab.vps.set_sysctls(&[("net/ipv6/neigh/ens3/proxy_delay", "0")])?;
        let difference = before.difference(&Snapshot::take(&lab.vps)?);
        ensure!(difference.contains("+ net/ipv6/neigh/ens3/proxy_delay = 0"), "{difference}");
        Ok(())
    })
}

#[test]
fn a_vps_with_one_address_on_the_link_has_no_other() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        assert_eq!(global_addresses(&lab.vps)?, [("ens3".to_owned(), format!("{VPS_IPV6}/64"))]);
        ensure!(ping(&lab.vps, SITE_IPV6)?, "the VPS does not reach the site by IPv6");
        ensure!(ping(&lab.vps, NEIGHBOUR_IPV6)?, "the VPS does not reach its neighbour");
        Ok(())
    })
}

#[test]
fn a_routed_prefix_comes_to_the_vps_without_a_question_on_the_link() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::RoutedPrefix), |lab| {
        let addresses =
            [("lo".to_owned(), format!("{ROUTED_IPV6}/64")), ("ens3".to_owned(), format!("{VPS_IPV6}/64"))];
        assert_eq!(global_addresses(&lab.vps)?, addresses);
        ensure!(ping(&lab.site, ROUTED_IPV6)?, "the site does not reach the routed prefix");
        let far_in_it = "2001:db8:1301:7a0:1234:5678:9abc:def0";
        let mut seen = lab.vps.spawn("tcpdump", &format!("tcpdump -n -l -i ens3 dst host {far_in_it}"))?;
        wait_until("tcpdump to listen", Duration::from_secs(5), || Ok(seen.stderr().contains("listening")))?;
        ping(&lab.site, far_in_it)?;
        seen.wait_for_line("echo request", Duration::from_secs(5)).map(drop)
    })
}

/// The global addresses of a machine with their interfaces and prefix lengths, in the kernel's order.
fn global_addresses(machine: &Namespace) -> Result<Vec<(String, String)>> {
    let shown = machine.output("ip -6 -o address show scope global")?;
    let words = shown.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    Ok(words.map(|words| (words[1].clone(), words[3].clone())).collect())
}

#[test]
fn a_machine_that_advertises_an_address_is_believed_at_once() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let address = leasable(0);
        let holder = || lab.provider.output(&format!("ip -6 neighbour show {address} dev segment"));
        lab.vps.ip(&format!("address add {address}/64 dev ens3 nodad"))?;
        ensure!(ping(&lab.site, address)?, "the site does not reach it");
        let macs = [&lab.vps, &lab.neighbour].map(|one| one.output("cat /sys/class/net/ens3/address"));
        let [own, neighbours] = macs;
        let macs = [own?.trim().to_owned(), neighbours?.trim().to_owned()];
        ensure!(holder()?.contains(&macs[0]), "{}", holder()?);
        lab.neighbour.ip(&format!("address add {address}/64 dev ens3 nodad"))?;
        ensure!(holder()?.contains(&macs[0]), "the kernel advertises by itself: {}", holder()?);
        advertise_address(&lab.neighbour, "ens3", address)?;
        wait_until("the router to believe it", Duration::from_secs(2), || Ok(holder()?.contains(&macs[1])))
    })
}

#[test]
fn a_relay_delays_each_way_by_what_it_is_told_and_changes_nothing() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let server = lab.vps.enter(|| Ok(UdpSocket::bind((VPS_IPV4, 9))?))?;
        let door = SocketAddr::from((CARRIER_SIDE, 9));
        let relay = Relay::start(
            &lab.provider,
            door,
            server.local_addr()?,
            Path::of_delay(Duration::from_millis(10)),
        )?;
        let clients = [socket_in(&lab.pc, relay.address())?, socket_in(&lab.laptop, relay.address())?];
        for (round, client) in clients.iter().cycle().take(10).enumerate() {
            let start = Instant::now();
            client.send(&[u8::try_from(round)?; 1400])?;
            let mut buffer = [0; 2000];
            server.set_read_timeout(Some(Duration::from_secs(5)))?;
            let (len, from) = server.recv_from(&mut buffer)?;
            server.send_to(&buffer[..len], from)?;
            let answer = receive(client, Duration::from_secs(5))?.context("no answer")?;
            let took = start.elapsed();
            ensure!(answer == [u8::try_from(round)?; 1400], "the relay changed a datagram");
            ensure!(took >= Duration::from_millis(20), "there and back in {took:?}");
            // The bound that a busy machine keeps.
            ensure!(took < Duration::from_millis(200), "there and back in {took:?}");
        }
        Ok(())
    })
}

#[test]
fn a_lab_stands_in_seconds_and_leaves_nothing() -> Result<()> {
    let start = Instant::now();
    let lab = Lab::build()?;
    let took = start.elapsed();
    eprintln!("the lab stood after {took:?}");
    let id = lab.dir().file_name().and_then(|name| name.to_str()).map(str::to_owned).unwrap_or_default();
    assert_eq!(ownership::traces(&id)?.len(), 9 + 9 + 2);
    drop(lab);
    assert_eq!(ownership::traces(&id)?, Vec::<PathBuf>::new());
    ensure!(took < Duration::from_secs(10), "the lab took {took:?}");
    Ok(())
}

#[test]
fn a_panic_leaves_nothing() -> Result<()> {
    let mut id = String::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let lab = Lab::build().expect("a lab");
        id = lab.dir().file_name().and_then(|name| name.to_str()).expect("an id").to_owned();
        let _busy = lab.pc.spawn("sleep", "sleep 600").expect("sleep");
        panic!("on purpose");
    }));
    ensure!(panicked.is_err() && !id.is_empty());
    assert_eq!(ownership::traces(&id)?, Vec::<PathBuf>::new());
    Ok(())
}

#[test]
fn the_lab_of_a_killed_program_goes_with_the_next_one() -> Result<()> {
    let log = tempfile::NamedTempFile::new()?;
    let mut holder = Command::new(env!("CARGO_BIN_EXE_lab"))
        // An input that does not end.
        .stdin(Stdio::piped())
        .stdout(log.reopen()?)
        .spawn()?;
    let id = format!("{}-0", holder.id());
    let held = || Ok(std::fs::read_to_string(log.path())?.contains("stands"));
    let waited = wait_until("the other program's lab", Duration::from_secs(30), held);
    let name = format!("v6t-{id}-pc");
    let busy = Command::new("ip").args(["netns", "exec", &name, "sleep", "600"]).spawn();
    holder.kill()?;
    holder.wait()?;
    waited?;
    assert!(!ownership::traces(&id)?.is_empty());
    let _next = Lab::build()?;
    assert_eq!(ownership::traces(&id)?, Vec::<PathBuf>::new());
    ensure!(busy?.wait()?.code().is_none(), "a program in the lab was not killed");
    Ok(())
}
