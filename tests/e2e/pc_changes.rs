//! What changes about the PC while the client runs: its network, and its tun device.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{PC_IPV4, SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Namespace, Options, Snapshot, wait_until};
use v6tun_tests::product::{Deployment, Installation};

use crate::tools::must_reach;

/// Much less than the 25 s after which an idle client would tell the server where it is.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Waits until the tunnel has been silent for longer than an answer would be waited for.
fn wait_until_idle(client: &Installation) -> Result<()> {
    let (mut passed, mut since) = (None, Instant::now());
    wait_until("the tunnel to be idle", 6 * AT_ONCE, || {
        let status = client.status()?;
        let now = Some((status["rx-bytes"].clone(), status["tx-bytes"].clone()));
        if now != passed {
            (passed, since) = (now, Instant::now());
        }
        Ok(since.elapsed() > AT_ONCE)
    })
}

fn is_reached(from: &Namespace) -> Result<bool> {
    Ok(from.run(&format!("ping -n -q -c 1 -W 1 {}", leasable(0)))?.success())
}

#[test]
fn a_pc_that_joins_another_network_is_reached_there_at_once() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        must_reach(&lab.site, leasable(0))?;
        wait_until_idle(&deployment.pc)?;
        // As another Wi-Fi would: the line is gone, and comes back with another address, behind another NAT's port.
        for command in [
            "ip link set eth0 down",
            &format!("ip address delete {PC_IPV4}/24 dev eth0"),
            "ip link set eth0 up",
            "ip address add 192.168.1.77/24 dev eth0",
            "ip route add default via 192.168.1.1",
        ] {
            lab.pc.output(command)?;
        }
        wait_until("the site to reach the PC", AT_ONCE, || is_reached(&lab.site))
    })
}

#[test]
fn a_tun_device_that_somebody_deletes_is_made_anew_and_the_pc_is_as_before_at_the_end() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let settled = || Ok(lab.pc.output("ip -6 address show tentative")?.is_empty());
        wait_until("the pc's link-local address", AT_ONCE, settled)?;
        let before = Snapshot::take(&lab.pc)?;
        let mut client = deployment.pc.up()?;
        for _ in 0..2 {
            lab.pc.output("ip link delete v6tun0")?;
            wait_until("the site to reach the PC", 2 * AT_ONCE, || is_reached(&lab.site))?;
            must_reach(&lab.pc, SITE_IPV6)?;
        }
        ensure!(client.is_running()?, "the client has ended");
        deployment.pc.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.pc)?), "", "after down");
        Ok(())
    })
}
