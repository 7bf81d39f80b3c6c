//! The PC's network changes while the client runs.

use std::time::{Duration, Instant};

use anyhow::Result;
use v6tun_tests::lab::address::{PC_IPV4, leasable};
use v6tun_tests::lab::{Lab, Namespace, wait_until};
use v6tun_tests::product::{Deployment, Installation};

use crate::options;
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
    Lab::run(&options(), |lab| {
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
