//! `doctor` names each broken link of the chain by the check that is about it, and says what mends it.

use std::net::{SocketAddrV6, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Namespace, Options, wait_until};
use v6tun_tests::product::{Deployment, Installation, PORT};

use crate::tools::must_reach;

/// A running server puts right within moments what it can: so it is broken and looked at anew a few times.
const ATTEMPTS: u32 = 6;
const PATIENCE: Duration = Duration::from_secs(20);
/// The lab's page in the place of the Internet's.
const TURTLE: &str = "--turtle http://www.turtle.example/";

/// What one check said.
#[derive(Debug)]
struct Found {
    status: String,
    seen: String,
    mend: Option<String>,
}

/// All that `doctor` says, by check.
fn examine(installation: &Installation) -> Result<Vec<(String, Found)>> {
    let turtle = if installation.program() == "v6tun-client" { TURTLE } else { "" };
    examine_with(installation, turtle)
}

fn examine_with(installation: &Installation, options: &str) -> Result<Vec<(String, Found)>> {
    let finished = installation.run(&format!("doctor --json {options}"))?;
    let report: Value = serde_json::from_str(&finished.stdout).with_context(|| format!("{finished:?}"))?;
    ensure!(report["version"] == 1, "{report}");
    let checks = report["checks"].as_array().context("checks")?;
    let found: Vec<(String, Found)> = checks
        .iter()
        .map(|check| {
            let text = |name: &str| check[name].as_str().map(str::to_owned);
            let found = Found {
                status: text("status").context("status")?,
                seen: text("seen").context("seen")?,
                mend: text("mend"),
            };
            Ok((text("name").context("name")?, found))
        })
        .collect::<Result<_>>()?;
    let has_failed = found.iter().any(|(_, found)| found.status == "fail");
    ensure!(finished.code == Some(i32::from(has_failed)), "exit code {:?} of {report}", finished.code);
    Ok(found)
}

fn check(installation: &Installation, name: &str) -> Result<Found> {
    pick(examine(installation)?, name)
}

fn pick(all: Vec<(String, Found)>, name: &str) -> Result<Found> {
    let said = format!("{all:?}");
    all.into_iter().find(|(other, _)| other == name).map(|(_, found)| found).context(said)
}

/// Runs what is typed, as a shell does, with the program where it is installed.
fn paste(installation: &Installation, lines: &str) -> Result<()> {
    let path = installation.command_line("").split_whitespace().next().unwrap_or_default().to_owned();
    shell(installation.host(), &lines.replace(&format!("{} ", installation.program()), &format!("{path} ")))
}

fn shell(host: &Namespace, script: &str) -> Result<()> {
    let output = host.command("sh").args(["-e", "-c", script]).output().context("sh")?;
    ensure!(output.status.success(), "{}$ {script}\n{}", host.role(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Breaks something until the check names it, does what it says, and expects the check to pass.
fn must_be_named(server: &Installation, name: &str, status: &str, break_it: impl Fn() -> Result<()>) -> Result<Found> {
    let healthy = check(server, name)?;
    ensure!(healthy.status == "pass", "{name} before: {healthy:?}");
    let mut last = None;
    for _ in 0..ATTEMPTS {
        break_it().with_context(|| format!("breaking {name}"))?;
        let found = check(server, name)?;
        if found.status == status {
            let mend = found.mend.as_deref().with_context(|| format!("{name} has no mend: {found:?}"))?;
            // Fails where the program has put it right meanwhile.
            let pasted = paste(server, mend);
            let mended = check(server, name)?;
            ensure!(mended.status == "pass", "{name} after {mend} ({pasted:?}): {mended:?}");
            return Ok(found);
        }
        last = Some(found);
    }
    anyhow::bail!("{name} was not found to {status}: {last:?}")
}

#[test]
fn the_servers_doctor_finds_a_healthy_host_healthy() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _running = [deployment.server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        for (name, found) in examine(&deployment.server)? {
            // Nobody keeps the clock of the machine that the tests run on.
            ensure!(found.status == "pass" || name == "clock", "{name}: {found:?}");
        }
        let text = deployment.server.run("doctor")?;
        ensure!(text.success(), "{text:?}");
        let last = text.stdout.lines().last().unwrap_or_default();
        ensure!(last.contains(" passed") && !last.contains("failed"), "{}", text.stdout);
        Ok(())
    })
}

#[test]
fn the_servers_doctor_names_what_somebody_has_changed() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (server, vps, lease) = (&deployment.server, &lab.vps, leasable(0));
        let _running = [server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        let faults = [
            ("router-advertisements", "sysctl -qw net.ipv6.conf.ens3.accept_ra=1".to_owned()),
            ("forwarding", "sysctl -qw net.ipv6.conf.ens3.forwarding=0".to_owned()),
            ("proxy-ndp", "sysctl -qw net.ipv6.conf.ens3.proxy_ndp=0".to_owned()),
            ("proxy-ndp", "sysctl -qw net.ipv6.conf.all.proxy_ndp=0".to_owned()),
            ("proxy-delay", "sysctl -qw net.ipv6.neigh.ens3.proxy_delay=80".to_owned()),
            ("mtu", "ip link set dev v6tun0 mtu 1300".to_owned()),
            ("leases", format!("ip -6 neigh del proxy {lease} dev ens3")),
            ("leases", format!("ip -6 route replace {lease} dev ens3 metric 1 proto static")),
            ("leases", format!("ip -6 route replace unreachable {lease} metric 1 proto static")),
            (
                "firewall",
                "nft 'table inet mine { chain forward { type filter hook forward priority 0; policy drop; }; }'".to_owned(),
            ),
        ];
        for (name, script) in faults {
            must_be_named(server, name, "fail", || shell(vps, &script)).with_context(|| script.clone())?;
        }
        must_be_named(server, "mtu", "warn", || shell(vps, "ip link set dev ens3 mtu 1300"))?;
        must_reach(&lab.pc, SITE_IPV6)
    })
}

#[test]
fn the_servers_doctor_names_an_address_that_is_used_on_the_uplink() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (server, vps, lease) = (&deployment.server, &lab.vps, leasable(0));
        let _running = [server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        let use_it = || {
            shell(vps, &format!("ip -6 addr replace {lease}/64 dev ens3 nodad"))?;
            vps.enter(|| Ok(TcpListener::bind(SocketAddrV6::new(lease, 7777, 0, 0))?))
        };
        let mut listener = None;
        wait_until("a program on the address", PATIENCE, || {
            listener = use_it().ok();
            Ok(listener.is_some())
        })?;
        let found = check(server, "lent-addresses")?;
        ensure!(found.status == "fail" && found.seen.contains("port 7777"), "{found:?}");
        paste(server, &found.mend.context("a mend")?)?;
        drop(listener);
        wait_until("health", PATIENCE, || Ok(check(server, "lent-addresses")?.status == "pass"))
    })
}

#[test]
fn the_servers_doctor_tells_a_router_that_is_not_answered_from_one_that_does_not_listen() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (server, lease) = (&deployment.server, leasable(0));
        let _running = [server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        let forget = || shell(&lab.provider, &format!("ip -6 neigh del {lease} dev segment || true"));

        forget()?;
        let found = check(server, "router")?;
        ensure!(found.status == "pass" && found.seen.starts_with("on-link"), "{found:?}");

        // The target stands behind type, code, checksum and flags.
        let target = format!("@th,64,128 0x{:032x}", u128::from(lease));
        let of_all = |rule: &str| {
            format!("table ip6 deaf {{ chain hears {{ type filter hook prerouting priority raw; {rule}; }}; }}")
        };
        lab.provider.nft(&of_all(&format!("icmpv6 type nd-neighbor-advert {target} drop")))?;
        forget()?;
        let found = check(server, "router")?;
        ensure!(found.status == "fail" && found.seen.contains("does not take the answer"), "{found:?}");
        shell(&lab.provider, "nft delete table ip6 deaf")?;

        lab.provider.nft(&of_all(&format!("ip6 saddr {lease} drop")))?;
        forget()?;
        let found = check(server, "router")?;
        ensure!(found.status == "fail" && found.seen.starts_with("filtered"), "{found:?}");
        shell(&lab.provider, "nft delete table ip6 deaf")?;

        let mute = "table ip6 mute { chain says { type filter hook output priority 0; icmpv6 type nd-neighbor-advert drop; }; }";
        lab.vps.nft(mute)?;
        forget()?;
        let found = check(server, "router")?;
        ensure!(found.status == "fail" && found.seen.contains("nobody answers"), "{found:?}");
        shell(&lab.vps, "nft delete table ip6 mute")?;
        wait_until("health", PATIENCE, || {
            forget()?;
            Ok(check(server, "router")?.status == "pass")
        })
    })
}

#[test]
fn the_servers_doctor_names_a_port_that_the_firewall_closes() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let server = &deployment.server;
        let _running = server.up()?;
        lab.vps.nft("table inet mine { chain input { type filter hook input priority 0; policy drop; icmpv6 type != 0 accept; }; }")?;
        let found = check(server, "udp-port")?;
        let says = format!("UDP port {PORT}");
        ensure!(found.status == "fail" && found.seen.contains(&says), "{found:?}");
        paste(server, &found.mend.context("a mend")?)?;
        let _client = deployment.pc.up()?;
        let found = check(server, "udp-port")?;
        ensure!(found.status == "pass" && found.seen.contains("pc was heard"), "{found:?}");
        Ok(())
    })
}

#[test]
fn the_servers_doctor_looks_at_a_host_without_server_configuration_or_ipv6() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let server = &deployment.server;
        ensure!(check(server, "server")?.status == "fail", "none runs");

        let config = std::fs::read_to_string(server.config())?;
        server.write_config(&config.replace("listen-port", "listen-prot"))?;
        let found = check(server, "configuration")?;
        ensure!(found.status == "fail" && found.seen.contains("listen-prot"), "{found:?}");
        std::fs::remove_file(server.config())?;
        ensure!(check(server, "configuration")?.status == "warn", "there is none");
        server.write_config(&config)?;

        let mut process = server.up()?;
        process.signal(Signal::KILL)?;
        process.wait(PATIENCE)?;
        let found = check(server, "leftovers")?;
        ensure!(found.status == "fail", "{found:?}");
        paste(server, &found.mend.context("a mend")?)?;
        ensure!(check(server, "leftovers")?.status == "pass", "still");

        shell(&lab.vps, "ip -6 route flush default; sysctl -qw net.ipv6.conf.ens3.accept_ra=0")?;
        let found = check(server, "uplink")?;
        ensure!(found.status == "fail" && found.seen.contains("default route"), "{found:?}");
        Ok(())
    })
}

#[test]
fn the_servers_doctor_says_what_it_may_not_look_at() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let line = deployment.server.command_line("doctor --json");
        let finished = lab.vps.run(&format!("setpriv --bounding-set -all --inh-caps -all {line}"))?;
        let report: Value = serde_json::from_str(&finished.stdout).with_context(|| format!("{finished:?}"))?;
        ensure!(report["checks"][0]["name"] == "privileges" && report["checks"][0]["status"] == "warn", "{report}");
        Ok(())
    })
}

#[test]
fn the_clients_doctor_sees_the_turtle_dance_and_ends_with_that() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _running = [deployment.server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        wait_until("a round trip", PATIENCE, || Ok(check(&deployment.pc, "round-trip")?.status == "pass"))?;
        for (name, found) in examine(&deployment.pc)? {
            ensure!(found.status == "pass" || name == "clock", "{name}: {found:?}");
        }
        let text = deployment.pc.run(&format!("doctor {TURTLE}"))?;
        let last = text.stdout.lines().last().unwrap_or_default();
        ensure!(text.success() && last == "the turtle dances", "{text:?}");
        Ok(())
    })
}

#[test]
fn the_clients_doctor_names_what_somebody_has_changed() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (pc, client) = (&lab.pc, &deployment.pc);
        let _running = [deployment.server.up()?, client.up()?];
        must_reach(pc, SITE_IPV6)?;
        let faults = [
            ("address", format!("ip -6 addr del {}/128 dev v6tun0", leasable(0))),
            ("route", "ip -6 route del default dev v6tun0".to_owned()),
            ("other-vpns", "ip -6 route replace 2000::/3 dev eth0".to_owned()),
        ];
        for (name, script) in faults {
            must_be_named(client, name, "fail", || shell(pc, &format!("{script} || true")))
                .with_context(|| script.clone())?;
        }
        must_reach(pc, SITE_IPV6)
    })
}

#[test]
fn the_clients_doctor_names_what_is_broken_elsewhere() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let client = &deployment.pc;
        let mut server = deployment.server.up()?;
        let _running = client.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        let failing = |name: &str, options: &str, saying: &str| -> Result<()> {
            let found = pick(examine_with(client, options)?, name)?;
            ensure!(found.status == "fail" && found.seen.contains(saying), "{name}: {found:?}");
            Ok(())
        };
        failing("resolver", "--turtle http://vps.turtle.example/", "no IPv6 address")?;
        failing("resolver", "--turtle http://nowhere.example/", "cannot look")?;
        failing("turtle", "--turtle http://www.turtle.example/elsewhere", "404")?;
        failing("turtle", "--turtle http://www.turtle.example:81/", "no connection")?;

        lab.provider.nft(&format!(
            "table ip narrow {{ chain forward {{ type filter hook forward priority 0; udp dport {PORT} ip length > 1400 drop; }}; }}"
        ))?;
        failing("path-mtu", TURTLE, "do not")?;
        shell(&lab.provider, "nft delete table ip narrow")?;

        server.kill()?;
        deployment.server.down()?;
        wait_until("a server that is missed", Duration::from_secs(60), || {
            // What wants an answer finds out that there is none.
            lab.pc.run(&format!("ping -c 1 -W 1 {SITE_IPV6}"))?;
            Ok(check(client, "server")?.status == "fail")
        })?;
        let text = client.run(&format!("doctor {TURTLE}"))?;
        let last = text.stdout.lines().last().unwrap_or_default();
        ensure!(text.code == Some(1) && last.starts_with("no turtle: server: "), "{text:?}");

        shell(&lab.pc, "ip route del default")?;
        failing("ipv4", TURTLE, "no way to the IPv4 Internet")
    })
}

#[test]
fn the_clients_doctor_looks_at_a_pc_without_client_or_configuration() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (server, client) = (&deployment.server, &deployment.pc);
        let found = check(client, "client")?;
        ensure!(found.status == "fail" && found.seen.contains("does not run"), "{found:?}");

        let config = std::fs::read_to_string(client.config())?;
        client.write_config(&config.replace("203.0.113.233", "nowhere.example"))?;
        let found = check(client, "endpoint")?;
        ensure!(found.status == "fail" && found.seen.contains("nowhere.example"), "{found:?}");
        std::fs::remove_file(client.config())?;
        let found = check(client, "configuration")?;
        ensure!(found.status == "fail" && found.seen.contains("not enrolled"), "{found:?}");
        client.write_config(&config)?;

        let _server = server.up()?;
        let mut process = client.up()?;
        process.signal(Signal::KILL)?;
        process.wait(PATIENCE)?;
        let found = check(client, "leftovers")?;
        ensure!(found.status == "fail", "{found:?}");
        paste(client, &found.mend.context("a mend")?)?;
        ensure!(check(client, "leftovers")?.status == "pass", "still");
        Ok(())
    })
}

#[test]
fn a_page_that_is_none_is_refused_with_how_to_write_one() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let finished = deployment.pc.run("doctor --turtle https://www.kame.net/")?;
        ensure!(finished.code == Some(2) && finished.stderr.contains("http://www.kame.net/"), "{finished:?}");
        Ok(())
    })
}
