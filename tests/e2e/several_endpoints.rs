//! A server with several endpoints, of which one answers.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, VPS_IPV4};
use v6tun_tests::lab::{Lab, Options, wait_until};
use v6tun_tests::product::{Deployment, PORT};

use crate::tools::must_reach;

/// Each has fifteen seconds.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_one_that_answers_is_found_in_a_list_and_among_the_addresses_of_a_name() -> Result<()> {
    let lists = [
        format!("[\"203.0.113.77:{PORT}\", \"{VPS_IPV4}:{PORT}\"]"),
        format!("\"two.turtle.example:{PORT}\""),
    ];
    for endpoint in lists {
        Lab::run(&Options::default(), |lab| {
            let hosts = format!("/etc/netns/{}/hosts", lab.pc.name());
            let known = fs::read_to_string(&hosts)?;
            fs::write(
                &hosts,
                format!("{known}203.0.113.77 two.turtle.example\n{VPS_IPV4} two.turtle.example\n"),
            )?;
            let deployment = Deployment::install(lab)?;
            let config = fs::read_to_string(deployment.pc.config())?;
            let one = format!("\"{VPS_IPV4}:{PORT}\"");
            deployment.pc.write_config(&config.replace(&one, &endpoint))?;
            let _server = deployment.server.up()?;
            let pc = deployment.pc.start_up()?;
            wait_until("a lease", PATIENCE, || Ok(pc.stdout().contains("v6tun-client: up")))?;
            ensure!(pc.stdout().contains(&format!("via {VPS_IPV4}")), "{}", pc.stdout());
            must_reach(&lab.pc, SITE_IPV6)
        })?;
    }
    Ok(())
}
