//! While the server does not answer, programs on the PC are told so at once, and what they had open goes on later.

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, SITE_NAME};
use v6tun_tests::lab::{Lab, Options, Snapshot, wait_until};
use v6tun_tests::product::Deployment;

use crate::tools::{connection, must_reach, wait_until_settled};

const PATIENCE: Duration = Duration::from_secs(40);
const UNREACHABLE: &str = "unreachable default";

fn default_routes(lab: &Lab) -> Result<String> {
    lab.pc.output("ip -6 route show default proto 118")
}

/// What wants an answer finds out that there is none.
fn wait_for_loss(lab: &Lab, is_so: impl Fn(&str) -> bool) -> Result<()> {
    wait_until("the routes of a lost server", PATIENCE, || {
        lab.pc.run(&format!("ping -n -c 1 -W 1 {SITE_IPV6}"))?;
        Ok(is_so(&default_routes(lab)?))
    })
}

#[test]
fn the_internet_turns_unreachable_and_comes_back_with_all_that_was_open() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let mut server = deployment.server.up()?;
        let pc = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        let (_listener, mut from, mut to) = connection(&lab.pc, &lab.site, SITE_IPV6, 7777)?;
        server.kill()?;
        from.write_all(b"sent while nobody answers\n")?;
        wait_for_loss(lab, |routes| routes.contains(UNREACHABLE))?;

        // Who asks is told, and whoever has IPv4 as well goes that way.
        let refused = lab.pc.run(&format!("ping -n -c 1 -W 5 {SITE_IPV6}"))?;
        ensure!((refused.stdout + &refused.stderr).contains("No route to host"), "told nothing");
        let (mut of_both, mut of_ipv4) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            for (family, times) in [("", &mut of_both), ("-4", &mut of_ipv4)] {
                let page = lab.pc.output(&format!(
                    "curl -s {family} -m 5 -o /dev/null -w %{{remote_ip}}/%{{time_total}} http://{SITE_NAME}/"
                ))?;
                let (address, seconds) = page.split_once('/').with_context(|| page.clone())?;
                ensure!(address.contains('.') && !address.contains(':'), "{page}");
                times.push(seconds.parse::<f64>()?);
            }
        }
        let median = |times: &mut Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[4] * 1e3
        };
        let (of_both, of_ipv4) = (median(&mut of_both), median(&mut of_ipv4));
        println!(
            "a page of a dual-stack site: {of_both:.1} ms, with IPv4 alone {of_ipv4:.1} ms (medians of 9)"
        );

        let _server = deployment.server.up()?;
        wait_until("the route to be back", PATIENCE, || Ok(!default_routes(lab)?.contains(UNREACHABLE)))?;
        must_reach(&lab.pc, SITE_IPV6)?;
        let mut line = [0; 26];
        to.set_read_timeout(Some(PATIENCE))?;
        to.read_exact(&mut line).context("what was sent into the outage")?;
        ensure!(&line == b"sent while nobody answers\n");
        to.write_all(b"!")?;
        from.read_exact(&mut line[..1])?;
        ensure!(pc.stdout().contains("back after"), "{}", pc.stdout());
        Ok(())
    })
}

#[test]
fn down_gives_the_pc_back_while_the_server_is_lost_and_so_does_the_next_up_after_a_kill() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        wait_until_settled(&lab.pc)?;
        let before = Snapshot::take(&lab.pc)?;
        for is_killed in [false, true] {
            let mut server = deployment.server.up()?;
            let mut pc = deployment.pc.up()?;
            server.kill()?;
            wait_for_loss(lab, |routes| routes.contains(UNREACHABLE))?;
            if is_killed {
                pc.kill()?;
            }
            deployment.pc.down()?;
            ensure!(
                before.difference(&Snapshot::take(&lab.pc)?).is_empty(),
                "{}",
                before.difference(&Snapshot::take(&lab.pc)?)
            );
        }
        Ok(())
    })
}

#[test]
fn the_route_goes_or_stays_where_the_configuration_says_so() -> Result<()> {
    for (when_down, is_so) in [
        ("remove", (|routes: &str| routes.trim().is_empty()) as fn(&str) -> bool),
        ("keep", |routes| routes.contains("dev v6tun0") && !routes.contains(UNREACHABLE)),
    ] {
        Lab::run(&Options::default(), |lab| {
            let deployment = Deployment::install(lab)?;
            let config = fs::read_to_string(deployment.pc.config())?;
            deployment.pc.write_config(&format!("when-down = \"{when_down}\"\n{config}"))?;
            let mut server = deployment.server.up()?;
            let pc = deployment.pc.up()?;
            must_reach(&lab.pc, SITE_IPV6)?;
            server.kill()?;
            wait_for_loss(lab, |routes| pc.stdout().contains("lost the server") && is_so(routes))?;
            let _server = deployment.server.up()?;
            wait_until("the site", PATIENCE, || {
                Ok(lab.pc.run(&format!("ping -n -c 1 -W 1 {SITE_IPV6}"))?.success())
            })?;
            ensure!(default_routes(lab)?.contains("dev v6tun0"), "{}", default_routes(lab)?);
            Ok(())
        })
        .context(when_down)?;
    }
    Ok(())
}
