//! What the client's doctor finds.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, wait_until};
use v6tun_tests::product::{Deployment, PORT};

use super::{must_be_named, paste, shell};
use crate::doctor::{PATIENCE, TURTLE, check, examine_with, pick};
use crate::tools::must_reach;

#[test]
fn it_names_what_somebody_has_changed() -> Result<()> {
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
            must_be_named(client, name, "fail", &script).with_context(|| script.clone())?;
        }
        must_reach(pc, SITE_IPV6)
    })
}

#[test]
fn it_names_what_is_broken_elsewhere() -> Result<()> {
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
fn it_names_what_keeps_others_from_reaching_this_pc() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _running = [deployment.server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        let found = check(&deployment.pc, "inbound")?;
        ensure!(found.status == "pass" && found.seen.contains("TCP port"), "{found:?}");
        for (rule, status, saying) in [
            ("icmpv6 type echo-request drop", "fail", "while TCP port"),
            ("tcp flags syn drop", "warn", "does not reach TCP port"),
            ("meta l4proto { tcp, icmpv6 } drop", "fail", "are not answered"),
        ] {
            // What is inside the tunnel alone: the PC's other neighbours go on.
            lab.pc.nft(&format!(
                "table ip6 closed {{ chain input {{ type filter hook input priority 0; iifname \"v6tun0\" {rule}; }}; }}"
            ))?;
            let found = check(&deployment.pc, "inbound")?;
            ensure!(found.status == status && found.seen.contains(saying), "{rule}: {found:?}");
            shell(&lab.pc, "nft delete table ip6 closed")?;
        }
        Ok(())
    })
}

#[test]
fn it_looks_at_a_pc_without_client_or_configuration() -> Result<()> {
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

        ensure!(check(client, "server")?.status == "fail", "no server runs");
        let _server = server.up()?;
        let found = check(client, "server")?;
        ensure!(found.status == "pass" && found.seen.contains("answers a handshake"), "{found:?}");
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
