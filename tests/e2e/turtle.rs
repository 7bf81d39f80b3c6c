//! The main job: what the article wanted.

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::Lab;
use v6tun_tests::lab::address::{PROVIDER_IPV6, SITE_IPV4, SITE_IPV6, SITE_NAME, VPS_IPV4, leasable};
use v6tun_tests::product::{Deployment, PORT, client_toml};
use v6tun_tests::turtle_site::{DANCES, KEEPS_STILL};

use crate::options;
use crate::tools::{hops, must_reach};

#[test]
fn the_turtle_dances() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let page = || lab.pc.output(&format!("curl -sS -m 10 http://{SITE_NAME}/"));
        ensure!(page()?.contains(KEEPS_STILL), "it dances before");
        let _server = deployment.server.up()?;
        let client = deployment.pc.up()?;

        let ready = client.stdout();
        let expected = format!("v6tun-client: up {} via {VPS_IPV4}:{PORT}", leasable(0));
        ensure!(ready.lines().any(|line| line.starts_with(&expected)), "{ready}");
        let page = page()?;
        ensure!(page.contains(DANCES) && page.contains(&leasable(0).to_string()), "{page}");
        must_reach(&lab.pc, SITE_IPV6)?;
        must_reach(&lab.pc, SITE_IPV4)
    })
}

#[test]
fn traceroute_shows_a_global_address_of_the_vps_and_then_the_providers_router() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        let hops = hops(&lab.pc, SITE_IPV6)?;
        ensure!(hops.len() == 3, "{hops:?}");
        let first: Ipv6Addr = hops[0].parse().with_context(|| format!("{hops:?}"))?;
        let own = lab.vps.output("ip -6 -o address show dev ens3 scope global")?;
        ensure!(own.contains(&format!(" {first}/")), "{first} is no address of the VPS: {own}");
        ensure!(first != leasable(0), "the VPS answers from the lent address");
        assert_eq!(hops[1..], [PROVIDER_IPV6.to_string(), SITE_IPV6.to_string()]);
        Ok(())
    })
}

#[test]
fn the_site_opens_a_tcp_connection_to_the_pc() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        // The firewall of Windows lets in what is listed; Linux leaves that to the PC's owner.
        let listed = "\n[windows]\ninbound.tcp = [\"8080\"]\n";
        deployment.pc.write_config(&(client_toml(&deployment.server) + listed))?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        let service = SocketAddr::from((leasable(0), 8080));
        let listener = lab.pc.enter(|| TcpListener::bind(service).context("the pc listens"))?;
        let mut outgoing = lab.site.enter(|| {
            TcpStream::connect_timeout(&service, Duration::from_secs(5)).context("the site connects")
        })?;
        let (mut incoming, visitor) = listener.accept()?;
        assert_eq!(visitor.ip(), SITE_IPV6);
        for stream in [&outgoing, &incoming] {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        }
        // Enough to need full-sized packets both ways.
        let message = vec![0x5a; 100_000];
        let mut answer = vec![0; message.len()];
        outgoing.write_all(&message)?;
        incoming.read_exact(&mut answer)?;
        incoming.write_all(&answer)?;
        answer.fill(0);
        outgoing.read_exact(&mut answer)?;
        ensure!(answer == message, "the bytes differ");
        Ok(())
    })
}

#[test]
fn two_clients_get_two_addresses_and_reach_each_other_and_the_site() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let _pc = deployment.pc.up()?;
        let _laptop = deployment.laptop.up()?;
        must_reach(&lab.pc, leasable(1))?;
        must_reach(&lab.laptop, leasable(0))?;
        for client in [&lab.pc, &lab.laptop] {
            must_reach(client, SITE_IPV6)?;
        }
        for address in [leasable(0), leasable(1)] {
            must_reach(&lab.site, address)?;
            must_reach(&lab.neighbour, address)?;
            must_reach(&lab.vps, address)?;
        }
        let status = deployment.server.status()?;
        let addresses: Vec<&str> = status["clients"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|client| client["address"].as_str())
            .collect();
        assert_eq!(addresses, [leasable(0).to_string(), leasable(1).to_string()], "{status}");
        Ok(())
    })
}

#[test]
fn the_client_waits_for_a_server_that_starts_later() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let mut client = deployment.pc.start_up()?;
        let _server = deployment.server.up()?;
        client.wait_for_line("v6tun-client: up", Duration::from_secs(20))?;
        must_reach(&lab.pc, SITE_IPV6)
    })
}

#[test]
fn a_restarted_server_serves_the_same_client_with_the_same_address() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        deployment.server.down()?;
        drop(server);
        let _server = deployment.server.up()?;
        v6tun_tests::lab::wait_until("the client to come back", Duration::from_secs(40), || {
            Ok(lab.pc.run(&format!("ping -n -q -c 1 -W 1 {SITE_IPV6}"))?.success())
        })?;
        must_reach(&lab.site, leasable(0))
    })
}
