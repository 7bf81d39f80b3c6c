//! A PC whose clock is wrong, and was right before, or the other way round.

use std::time::Duration;

use anyhow::{Context as _, Result};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, Options, wait_until};
use v6tun_tests::product::Deployment;

use crate::tools::must_reach;

/// A tenth of what the server would take to forget the session of a client that was killed.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_client_that_is_started_anew_with_another_clock_is_connected_all_the_same() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        for clock in ["+10y", "+0", "-1h", "-56y", "+0"] {
            // The clock of the world, and not the one that counts seconds.
            let environment = format!(
                "LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1 FAKETIME={clock} FAKETIME_DONT_FAKE_MONOTONIC=1"
            );
            let mut client = deployment.pc.with_environment(environment).start_up()?;
            wait_until("a lease", PATIENCE, || Ok(client.stdout().contains("v6tun-client: up")))
                .with_context(|| clock.to_owned())?;
            must_reach(&lab.pc, SITE_IPV6)?;
            // Without a bye the server keeps the session, and the time of its last handshake.
            client.kill()?;
            deployment.pc.down()?;
        }
        Ok(())
    })
}
