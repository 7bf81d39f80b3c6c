//! The VPS never loses the default route that it learnt by router advertisement.

use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, Options, Process, wait_until};
use v6tun_tests::product::Deployment;

use crate::tools::ping;

/// `ip monitor` on the VPS.
struct RouteWatch<'a> {
    lab: &'a Lab,
    monitor: Process,
}

impl<'a> RouteWatch<'a> {
    fn start(lab: &'a Lab) -> Result<Self> {
        let watch = Self { lab, monitor: lab.vps.spawn("ip-monitor", "ip -6 monitor route")? };
        watch.mark("2001:db8:ffff::1")?;
        Ok(watch)
    }

    /// Adds and removes a route of our own until the monitor has seen it: all that came before is then seen.
    fn mark(&self, marker: &str) -> Result<()> {
        wait_until("the monitor to see a marker", Duration::from_secs(5), || {
            self.lab.vps.ip(&format!("route add unreachable {marker}\nroute del unreachable {marker}"))?;
            Ok(self.monitor.stdout().contains(&format!("Deleted unreachable {marker}")))
        })
    }

    fn deletions(&self) -> Result<Vec<String>> {
        self.mark("2001:db8:ffff::2")?;
        let seen = self.monitor.stdout();
        Ok(seen.lines().filter(|line| line.starts_with("Deleted default")).map(str::to_owned).collect())
    }
}

fn short_lived() -> Options {
    Options { router_lifetime: Duration::from_secs(30), ..Options::default() }
}

#[test]
fn the_vps_loses_no_packet_and_no_default_route_through_up_130_s_of_run_a_kill_up_and_down() -> Result<()> {
    Lab::run(&short_lived(), |lab| {
        let deployment = Deployment::install(lab)?;
        let watch = RouteWatch::start(lab)?;
        let mut own =
            lab.vps.spawn("ping", &format!("ping -n -q -i 0.02 {SITE_IPV6}"))?.stopped_by(Signal::INT);
        let mut server = deployment.server.up()?;
        let client = deployment.pc.up()?;
        // Four times the lifetime: a VPS that takes no more advertisements has lost its route by then.
        let through_the_tunnel = [ping(&lab.pc, SITE_IPV6, 65, 1.0)?, ping(&lab.pc, SITE_IPV6, 65, 1.0)?];
        server.kill()?;
        drop(client);
        deployment.pc.down()?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        deployment.server.down()?;
        own.stop()?;
        let said = own.stdout();
        ensure!(said.contains(" 0% packet loss"), "the VPS itself: {said}");
        assert_eq!(watch.deletions()?, Vec::<String>::new());
        let route = lab.vps.output("ip -6 route show default proto ra")?;
        ensure!(route.contains("via fe80::740:1"), "{route}");
        for ping in through_the_tunnel {
            assert_eq!(ping.lost, 0, "{}", ping.text);
        }
        Ok(())
    })
}

#[test]
fn the_watch_sees_the_route_go_when_forwarding_comes_before_accept_ra() -> Result<()> {
    Lab::run(&short_lived(), |lab| {
        let watch = RouteWatch::start(lab)?;
        lab.vps.set_sysctls(&[("net/ipv6/conf/all/forwarding", "1")])?;
        ensure!(!watch.deletions()?.is_empty(), "the mistake that v6tun must not make goes unseen");
        Ok(())
    })
}
