//! What others do to the uplink while the server runs.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Process, Snapshot, wait_until};
use v6tun_tests::product::Deployment;

use crate::tools::must_reach;

/// A look every five seconds, and time for a slow machine.
const PATIENCE: Duration = Duration::from_secs(15);
const PROXY: (&str, &str) = ("net/ipv6/conf/ens3/proxy_ndp", "0");

#[test]
fn a_setting_that_somebody_writes_again_and_again_is_put_back_three_times_and_then_told() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let server = deployment.server.up()?;
        let poke = || lab.vps.ip("link add poked type veth peer name poker\nlink del poked");
        for _ in 0..3 {
            lab.vps.set_sysctls(&[PROXY])?;
            wait_until("the setting to be put back", PATIENCE, || {
                poke()?;
                Ok(lab.vps.sysctl(PROXY.0)? == "1")
            })?;
        }
        lab.vps.set_sysctls(&[PROXY])?;
        wait_until("a warning", PATIENCE, || {
            poke()?;
            Ok(server.stderr().contains("again and again"))
        })?;
        let said = server.stderr();
        let warning = said.lines().find(|line| line.contains("again and again")).context("a warning")?;
        ensure!(
            warning.contains("net.ipv6.conf.ens3.proxy_ndp") && warning.contains("/etc/sysctl.d"),
            "{warning}"
        );
        ensure!(lab.vps.sysctl(PROXY.0)? == "0", "it was put back once more");
        Ok(())
    })
}

#[test]
fn a_renamed_uplink_is_followed_and_given_back_under_its_new_name() -> Result<()> {
    for ndp in ["kernel", "responder"] {
        Lab::run(&Options::default(), |lab| {
            let deployment = Deployment::install(lab)?;
            let config = fs::read_to_string(deployment.server.config())?;
            deployment.server.write_config(&format!("{config}\n[uplink]\nndp = \"{ndp}\"\n"))?;
            let server = deployment.server.up()?;
            let pc = deployment.pc.up()?;
            must_reach(&lab.pc, SITE_IPV6)?;
            rename(lab, "ens3", "eth9")?;
            wait_until("the status to have the new name", PATIENCE, || {
                Ok(deployment.server.status()?["uplink"] == "eth9")
            })?;
            // A router that knows nothing any more has to ask again.
            lab.provider.run(&format!("ip -6 neigh del {} dev segment", leasable(0)))?;
            must_reach(&lab.pc, SITE_IPV6)?;
            let _second = deployment.laptop.up().context("a lease on the renamed uplink")?;
            must_reach(&lab.laptop, SITE_IPV6)?;
            drop((server, pc));
            deployment.server.down()
        })
        .context(ndp)?;
    }
    Ok(())
}

#[test]
fn after_down_a_renamed_uplink_is_as_it_would_be_without_the_server() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        {
            let _server = deployment.server.up()?;
            let _pc = deployment.pc.up()?;
            must_reach(&lab.pc, SITE_IPV6)?;
            rename(lab, "ens3", "eth9")?;
            wait_until("the status to have the new name", PATIENCE, || {
                Ok(deployment.server.status()?["uplink"] == "eth9")
            })?;
            deployment.server.down()?;
        }
        rename(lab, "eth9", "ens3")?;
        wait_until("all to be as before", PATIENCE, || {
            Ok(before.difference(&Snapshot::take(&lab.vps)?).is_empty())
        })
        .with_context(|| {
            Snapshot::take(&lab.vps).map_or_else(|e| e.to_string(), |now| before.difference(&now))
        })
    })
}

#[test]
fn a_hundred_flaps_of_the_uplink_leave_the_leases_in_place_and_cost_nothing() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let server = deployment.server.up()?;
        let _clients = [deployment.pc.up()?, deployment.laptop.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        // What else goes with a link that is down is its configuration's business.
        let routes = lab.vps.output("ip -4 route show default")?;
        lab.vps.set_sysctls(&[("net/ipv6/conf/ens3/keep_addr_on_down", "1")])?;
        let before = Cost::of(&server)?;
        for _ in 0..100 {
            lab.vps.ip("link set ens3 down\nlink set ens3 up")?;
        }
        lab.vps.ip(&format!("route replace {}", routes.trim()))?;
        for (number, pc) in [(0, &lab.pc), (1, &lab.laptop)] {
            wait_until("the site", PATIENCE, || {
                Ok(pc.run(&format!("ping -n -c 1 -W 1 {SITE_IPV6}"))?.success())
            })?;
            must_reach(&lab.site, leasable(number))?;
        }
        let after = Cost::of(&server)?;
        ensure!(after.descriptors == before.descriptors, "{before:?}, then {after:?}");
        ensure!(after.resident_kib < before.resident_kib + 2048, "{before:?}, then {after:?}");
        Ok(())
    })
}

/// What a process has of the kernel.
#[derive(Debug)]
struct Cost {
    descriptors: usize,
    resident_kib: u64,
}

impl Cost {
    fn of(process: &Process) -> Result<Self> {
        let folder = format!("/proc/{}", process.id());
        let status = fs::read_to_string(format!("{folder}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(Self {
            descriptors: fs::read_dir(format!("{folder}/fd"))?.count(),
            resident_kib: resident.trim().trim_end_matches(" kB").parse()?,
        })
    }
}

/// A link that is up keeps its name with older kernels.
fn rename(lab: &Lab, from: &str, to: &str) -> Result<()> {
    lab.vps.ip(&format!("link set {from} name {to}"))
}
