//! The PC's IPv4 is none of v6tun's business.

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV4, SITE_IPV6};
use v6tun_tests::lab::{Ipv4Snapshot, Lab, Snapshot};
use v6tun_tests::product::Deployment;

use crate::options;
use crate::tools::{hops, must_reach};

#[test]
fn the_pcs_ipv4_is_byte_identical_before_during_and_after() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Ipv4Snapshot::take(&lab.pc)?;
        let way = hops(&lab.pc, SITE_IPV4)?;
        let _server = deployment.server.up()?;
        let mut client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        assert_eq!(before, Ipv4Snapshot::take(&lab.pc)?, "during");
        assert_eq!(way, hops(&lab.pc, SITE_IPV4)?);
        deployment.pc.down()?;
        assert_eq!(before, Ipv4Snapshot::take(&lab.pc)?, "after");
        ensure!(!client.is_running()?, "the client still runs after `down`");
        Ok(())
    })
}

#[test]
fn the_whole_pc_is_as_before_after_down_and_after_a_kill_and_down() -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let settled = || Ok(lab.pc.output("ip -6 address show tentative")?.is_empty());
        v6tun_tests::lab::wait_until(
            "the pc's link-local address",
            std::time::Duration::from_secs(5),
            settled,
        )?;
        let before = Snapshot::take(&lab.pc)?;
        let client = deployment.pc.up()?;
        deployment.pc.down()?;
        drop(client);
        assert_eq!(before.difference(&Snapshot::take(&lab.pc)?), "", "after down");

        let mut client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        client.kill()?;
        deployment.pc.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.pc)?), "", "after a kill and down");
        Ok(())
    })
}
