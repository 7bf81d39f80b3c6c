//! Packets of every size get through.

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::Lab;
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::product::Deployment;

use crate::options;

/// IPv6 and ICMPv6 headers around what `ping -s` counts, bytes.
const HEADERS: u64 = 48;

#[test]
fn packets_up_to_the_leased_mtu_pass_unfragmented_and_larger_ones_in_fragments() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        let status = deployment.pc.status()?;
        let mtu = status["mtu"].as_u64().with_context(|| format!("no mtu in {status}"))?;
        assert_eq!(mtu, 1440, "1500 less 60 bytes of WireGuard over IPv4");
        let largest = mtu - HEADERS;
        for (size, fragments) in [(8, "do"), (largest, "do"), (4000, "dont")] {
            let ping =
                lab.pc.run(&format!("ping -n -c 2 -i 0.2 -W 2 -M {fragments} -s {size} {SITE_IPV6}"))?;
            ensure!(ping.success(), "{size} bytes: {}{}", ping.stdout, ping.stderr);
        }
        Ok(())
    })
}
