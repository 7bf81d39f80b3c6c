//! What the server's doctor finds.

use std::net::{SocketAddrV6, TcpListener};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, wait_until};
use v6tun_tests::product::{Deployment, PORT};

use super::{must_be_named, paste, shell};
use crate::doctor::{PATIENCE, check, examine};
use crate::tools::must_reach;

#[test]
fn it_finds_a_healthy_host_healthy() -> Result<()> {
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
fn it_names_what_somebody_has_changed() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let (server, lease) = (&deployment.server, leasable(0));
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
            must_be_named(server, name, "fail", &script).with_context(|| script.clone())?;
        }
        must_be_named(server, "mtu", "warn", "ip link set dev ens3 mtu 1300")?;
        must_reach(&lab.pc, SITE_IPV6)
    })
}

#[test]
fn it_names_an_address_that_is_used_on_the_uplink() -> Result<()> {
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
fn it_tells_a_router_that_is_not_answered_from_one_that_does_not_listen() -> Result<()> {
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
            format!(
                "table ip6 deaf {{ chain hears {{ type filter hook prerouting priority raw; {rule}; }}; }}"
            )
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
fn it_names_a_port_that_the_firewall_closes() -> Result<()> {
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
        ensure!(found.status == "pass" && found.seen.contains("pc reaches it"), "{found:?}");
        Ok(())
    })
}

#[test]
fn it_looks_at_a_host_without_server_configuration_or_ipv6() -> Result<()> {
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
fn it_says_what_it_may_not_look_at() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let line = deployment.server.command_line("doctor --json");
        let finished = lab.vps.run(&format!("setpriv --bounding-set -all --inh-caps -all {line}"))?;
        let report: Value =
            serde_json::from_str(&finished.stdout).with_context(|| format!("{finished:?}"))?;
        ensure!(
            report["checks"][0]["name"] == "privileges" && report["checks"][0]["status"] == "warn",
            "{report}"
        );
        Ok(())
    })
}

#[test]
fn it_names_a_firewall_that_lets_in_only_what_it_knows() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let server = &deployment.server;
        let _running = [server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        let found = check(server, "udp-port")?;
        ensure!(found.status == "pass" && found.seen.contains("from a port that is new"), "{found:?}");
        // The kernel knows a flow from when somebody first asked about any.
        lab.provider.nft(
            "table ip asks { chain forward { type filter hook forward priority 0; ct state new accept; }; }",
        )?;
        must_reach(&lab.pc, SITE_IPV6)?;
        lab.provider.nft(
            "table ip known { chain forward { type filter hook forward priority 0; udp dport 51820 ct state new drop; }; }",
        )?;
        must_reach(&lab.pc, SITE_IPV6)?;
        let found = check(server, "udp-port")?;
        ensure!(found.status == "warn" && found.seen.contains("but nothing"), "{found:?}");
        shell(&lab.provider, "nft delete table ip known")?;
        ensure!(check(server, "udp-port")?.status == "pass");
        Ok(())
    })
}
