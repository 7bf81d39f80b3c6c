//! Somebody takes the client's tun device away.

use std::time::Duration;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Snapshot, wait_until};
use v6tun_tests::product::Deployment;

use crate::tools::{must_reach, wait_until_settled};

/// How long the client may take to notice, and to be up again.
const REPAIR_LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_tun_device_that_somebody_deletes_is_made_anew_and_the_pc_is_as_before_at_the_end() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        wait_until_settled(&lab.pc)?;
        let before = Snapshot::take(&lab.pc)?;
        let mut client = deployment.pc.up()?;
        for _ in 0..2 {
            lab.pc.output("ip link delete v6tun0")?;
            wait_until("the site to reach the PC", REPAIR_LIMIT, || {
                Ok(lab.site.run(&format!("ping -n -q -c 1 -W 1 {}", leasable(0)))?.success())
            })?;
            must_reach(&lab.pc, SITE_IPV6)?;
        }
        ensure!(client.is_running()?, "the client has ended");
        deployment.pc.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.pc)?), "", "after down");
        Ok(())
    })
}
