//! The lab behaves as the article's network does, before v6tun enters it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{NEIGHBOUR_IPV6, SITE_IPV4, SITE_IPV6, VPS_IPV4, leasable};
use v6tun_tests::lab::{Lab, Namespace, Options, Snapshot, ownership, wait_until};
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
