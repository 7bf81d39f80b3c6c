//! What others may begin towards a client.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Namespace, Options};
use v6tun_tests::product::{Deployment, client_toml, server_toml};

use crate::tools::{connection, must_reach};

/// The round trip of the lab is a fraction of a millisecond.
const PATIENCE: Duration = Duration::from_secs(1);
const LISTED: u16 = 4000;
const UNLISTED: u16 = 4001;

#[test]
fn a_guarded_client_gets_answers_pings_and_its_open_ports_and_another_gets_all() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let config = fs::read_to_string(deployment.server.config())?;
        let line = "name = \"pc\"\n";
        let guarded = format!("{line}inbound = \"established\"\ninbound-tcp = [{LISTED}, \"5000-5010\"]\n");
        deployment.server.write_config(&config.replace(line, &guarded))?;
        let _server = deployment.server.up()?;
        let _clients = [deployment.pc.up()?, deployment.laptop.up()?];
        let _listening = [listen(&lab.pc)?, listen(&lab.laptop)?];

        must_reach(&lab.pc, SITE_IPV6)?;
        must_reach(&lab.site, leasable(0))?;
        connection(&lab.pc, &lab.site, SITE_IPV6, 7000).context("what the client begins")?;
        for (visitor, who) in [(&lab.site, "the site"), (&lab.laptop, "another client")] {
            ensure!(opens(visitor, leasable(0), LISTED)?, "{who}: the open port is closed");
            ensure!(!opens(visitor, leasable(0), UNLISTED)?, "{who}: another port is open");
        }
        ensure!(opens(&lab.site, leasable(1), UNLISTED)?, "the laptop is not guarded");
        Ok(())
    })
}

#[test]
fn an_order_closes_and_opens_a_connected_client_at_once_and_is_remembered() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let Deployment { server, pc, .. } = Deployment::install(lab)?;
        server.write_config(&server_toml(&[leasable(0), leasable(1)], &[]))?;
        pc.write_config(&client_toml(&server))?;
        let order = |words: &str| -> Result<()> {
            let finished = server.run(words)?;
            ensure!(finished.success(), "{words}: {finished:?}");
            Ok(())
        };
        let mut running = server.up()?;
        order(&format!("client add pc --public-key {}", pc.public_key()))?;
        let client = pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        let address: Ipv6Addr = pc.status()?["address"].as_str().context("an address")?.parse()?;
        let _listening = listen(&lab.pc)?;
        let is_open = || opens(&lab.site, address, UNLISTED);

        ensure!(is_open()?, "closed before the order");
        let (_listener, standing, other_end) = connection(&lab.pc, &lab.site, SITE_IPV6, 7000)?;
        order("client inbound pc established")?;
        ensure!(!is_open()?, "open after the order");
        exchange(&standing, &other_end).context("a connection that stood before")?;
        order(&format!("client inbound pc established --tcp {UNLISTED}"))?;
        ensure!(is_open()?, "the listed port is closed");
        order("client inbound pc established")?;

        drop(client);
        pc.down()?;
        running.stop()?;
        let _running = server.up()?;
        let _client = pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        ensure!(!is_open()?, "forgotten over a restart");
        let list = server.run("client list")?.stdout;
        ensure!(list.contains("answers"), "{list}");
        order("client inbound pc allow")?;
        ensure!(is_open()?, "closed for good");
        Ok(())
    })
}

#[test]
fn what_the_host_cannot_see_to_is_refused() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let config = fs::read_to_string(deployment.server.config())?;
        let line = "name = \"pc\"\n";
        deployment
            .server
            .write_config(&config.replace(line, &format!("{line}inbound = \"established\"\n")))?;
        let script = lab.dir().join("without-nft");
        let up = deployment.server.command_line("up");
        fs::write(&script, format!("mount --bind /dev/null /usr/sbin/nft && exec {up}\n"))?;
        let finished = lab.vps.run(&format!("unshare --mount sh {}", script.display()))?;
        ensure!(finished.code == Some(1) && finished.stderr.contains("apt install nftables"), "{finished:?}");

        let ports_of_all = format!("{line}inbound-tcp = [22]\n");
        deployment.server.write_config(&config.replace(line, &ports_of_all))?;
        let finished = deployment.server.run("up")?;
        ensure!(finished.code == Some(2) && finished.stderr.contains("everything comes in"), "{finished:?}");
        Ok(())
    })
}

fn listen(host: &Namespace) -> Result<[TcpListener; 2]> {
    host.enter(|| {
        let on = |port| TcpListener::bind(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0));
        Ok([on(LISTED)?, on(UNLISTED)?])
    })
}

fn opens(visitor: &Namespace, address: Ipv6Addr, port: u16) -> Result<bool> {
    let to = SocketAddr::from((address, port));
    visitor.enter(|| Ok(TcpStream::connect_timeout(&to, PATIENCE).is_ok()))
}

fn exchange(one: &TcpStream, other: &TcpStream) -> Result<()> {
    for (mut from, mut to) in [(one, other), (other, one)] {
        to.set_read_timeout(Some(PATIENCE))?;
        from.write_all(b"turtle")?;
        let mut heard = [0; 6];
        to.read_exact(&mut heard)?;
    }
    Ok(())
}
