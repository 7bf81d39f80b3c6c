//! The real client on Windows: what it does to the PC, as `ip` and the firewall see it, and how it leaves the PC.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Ipv4Snapshot, Lab, Snapshot, wait_until};
use v6tun_tests::product::{Deployment, client_toml};
use v6tun_tests::windows_pc::WindowsPc;

use crate::options;
use crate::tools::{must_reach, ping, wait_until_settled};

/// How long the client may take to end, and Windows to take an adapter away.
const LIMIT: Duration = Duration::from_secs(20);

fn with_deployment(test: impl FnOnce(&Lab, &Deployment, &WindowsPc) -> Result<()>) -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let windows = deployment.pc.windows().context("the pc has no Windows")?;
        wait_until_settled(&lab.pc)?;
        test(lab, &deployment, windows)
    })
}

#[test]
fn address_mtu_and_route_are_there_and_a_thousand_pings_are_answered_each_way() -> Result<()> {
    with_deployment(|lab, deployment, _| {
        let before = Ipv4Snapshot::take(&lab.pc)?;
        let _client = deployment.pc.up()?;
        let link = lab.pc.output("ip link show v6tun0")?;
        ensure!(link.contains(" mtu 1440 "), "{link}");
        let addresses = lab.pc.output("ip -6 -o address show dev v6tun0 scope global")?;
        ensure!(addresses.contains(&format!("{}/128", leasable(0))), "{addresses}");
        let route = lab.pc.output(&format!("ip -6 route get {SITE_IPV6}"))?;
        ensure!(route.contains("dev v6tun0"), "{route}");
        for (from, to) in [(&lab.pc, SITE_IPV6), (&lab.site, leasable(0))] {
            let pings = ping(from, to, 1000, 0.005)?;
            assert_eq!(pings.lost, 0, "{}", pings.text);
        }
        assert_eq!(before, Ipv4Snapshot::take(&lab.pc)?, "IPv4 while it runs");
        Ok(())
    })
}

#[test]
fn the_pc_is_as_before_after_ctrl_c_and_after_its_window_was_closed() -> Result<()> {
    with_deployment(|lab, deployment, windows| {
        let before = Snapshot::take(&lab.pc)?;
        let rules = windows.order("rules")?;
        let is_as_before = |after: &str| -> Result<()> {
            let same = || Ok(before.difference(&Snapshot::take(&lab.pc)?).is_empty());
            wait_until("the PC to be as before", LIMIT, same)
                .with_context(|| format!("after {after}: {:?}", Snapshot::take(&lab.pc)))?;
            assert_eq!(rules, windows.order("rules")?, "after {after}");
            Ok(())
        };
        let mut client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        ensure!(rules != windows.order("rules")?, "the firewall is not changed while it runs");
        client.signal(Signal::INT)?;
        assert_eq!(client.wait(LIMIT)?, Some(0), "{}", client.stderr());
        is_as_before("Ctrl-C")?;

        let mut client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        windows.close_window("v6tun-client")?;
        client.wait(LIMIT).with_context(|| client.stderr())?;
        is_as_before("the window")
    })
}

#[test]
fn of_the_pcs_ports_those_are_open_that_are_listed() -> Result<()> {
    with_deployment(|lab, deployment, windows| {
        // What another program has let in for the LAN: all of TCP, from anywhere.
        windows
            .order("add-rule name=somebody%20else enabled=-1 direction=1 action=1 protocol=6 profiles=7")?;
        let config = client_toml(&deployment.server);
        let listed = "\n[windows]\ninbound = { ping = false, tcp = [\"8000-8010\"] }\n";
        for (listed, open) in [("", [false, false]), (listed, [true, false])] {
            deployment.pc.write_config(&format!("{config}{listed}"))?;
            let _client = deployment.pc.up()?;
            let rules = windows.order("rules")?;
            let seen = [takes_connection(lab, 8005)?, takes_connection(lab, 8011)?];
            assert_eq!(seen, open, "with {listed:?}:\n{rules}");
            let pings = lab.site.run(&format!("ping -n -c 1 -W 1 {}", leasable(0)))?.success();
            assert_eq!(pings, listed.is_empty(), "with {listed:?}:\n{rules}");
            must_reach(&lab.pc, SITE_IPV6)?;
            deployment.pc.down()?;
        }
        Ok(())
    })
}

/// Whether the site can connect to a program of the PC on this port.
fn takes_connection(lab: &Lab, port: u16) -> Result<bool> {
    let service = SocketAddr::from((leasable(0), port));
    let _listener = lab.pc.enter(|| TcpListener::bind(service).context("listen"))?;
    lab.site.enter(|| Ok(TcpStream::connect_timeout(&service, Duration::from_millis(500)).is_ok()))
}
