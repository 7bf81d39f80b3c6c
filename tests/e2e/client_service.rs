//! `v6tun-client install | uninstall`, on a PC with systemd.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, Options, Snapshot, wait_until};
use v6tun_tests::product::Deployment;
use v6tun_tests::systemd_host::SystemdHost;

use crate::service::changed;
use crate::tools::{must_reach, wait_until_settled};

const CLIENT: &str = "/usr/local/bin/v6tun-client";
const SERVICE: &str = "v6tun-client.service";
const UNIT: &str = "/etc/systemd/system/v6tun-client.service";
/// How long the service may take to be back: five seconds of rest, and the start.
const BACK: Duration = Duration::from_secs(20);

/// The lab's PC with systemd and the client's program on it.
fn boot(lab: &Lab) -> Result<SystemdHost> {
    let machine = SystemdHost::boot(lab, &lab.pc)?;
    fs::copy(lab.product("v6tun-client")?, machine.path(CLIENT))?;
    Ok(machine)
}

/// What an enrolment leaves.
fn enrol(machine: &SystemdHost, deployment: &Deployment) -> Result<()> {
    let folder = machine.path("/etc/v6tun");
    fs::create_dir_all(&folder)?;
    for (from, to) in [("config.toml", "client.toml"), ("private.key", "private.key")] {
        // The copy has the original's mode.
        fs::copy(deployment.pc.dir().join(from), folder.join(to))?;
    }
    Ok(())
}

fn install(machine: &SystemdHost) -> Result<String> {
    machine.output(&format!("{CLIENT} install"))
}

fn is_active(machine: &SystemdHost) -> Result<bool> {
    Ok(machine.run(&format!("systemctl is-active {SERVICE}"))?.success())
}

fn wait_for_the_site(lab: &Lab) -> Result<()> {
    wait_until("the PC to reach the site", BACK, || {
        Ok(lab.pc.run(&format!("ping -n -q -c 1 -W 1 {SITE_IPV6}"))?.success())
    })
}

#[test]
fn the_clients_service_connects_comes_back_and_goes_without_rest() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        wait_until_settled(&lab.pc)?;
        let before = Snapshot::take(&lab.pc)?;
        let machine = boot(lab)?;
        enrol(&machine, &deployment)?;
        let files = machine.files()?;

        ensure!(install(&machine)?.contains("runs now and after every boot"), "it does not say that it runs");
        wait_for_the_site(lab)?;
        let first = machine.main_process(SERVICE)?;
        install(&machine)?;
        assert_eq!(machine.main_process(SERVICE)?, first, "nothing had changed, and it was restarted");
        let second = machine.run(&format!("{CLIENT} up"))?;
        ensure!(second.code == Some(1), "{second:?}");
        ensure!(second.stderr.contains(&format!("the service runs already (process {first})")), "{second:?}");
        ensure!(machine.output(&format!("{CLIENT} status"))?.contains("up"), "its status");

        machine.output(&format!("kill -KILL {first}"))?;
        wait_until("the killed service to be back", BACK, || {
            Ok(is_active(&machine)? && machine.main_process(SERVICE)? != first)
        })?;
        wait_for_the_site(lab)?;

        machine.output(&format!("{CLIENT} down"))?;
        assert_eq!(before.difference(&Snapshot::take(&lab.pc)?), "");
        let state = machine.output(&format!("systemctl show --property=ActiveState,Result {SERVICE}"))?;
        assert_eq!(state, "Result=success\nActiveState=inactive\n", "`down` is no failure");

        machine.output(&format!("systemctl start {SERVICE}"))?;
        wait_for_the_site(lab)?;
        ensure!(machine.output(&format!("{CLIENT} uninstall"))?.contains("forget"), "what stays");
        assert_eq!(before.difference(&Snapshot::take(&lab.pc)?), "");
        assert_eq!(changed(&files, &machine.files()?, &["/var/lib/v6tun"]), [""; 0]);
        ensure!(machine.output(&format!("{CLIENT} uninstall"))?.contains("no service"), "again");
        Ok(())
    })
}

#[test]
fn the_clients_service_has_few_privileges_and_they_suffice() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let machine = boot(lab)?;
        enrol(&machine, &deployment)?;
        install(&machine)?;
        machine.output(&format!("systemd-analyze verify {UNIT}"))?;
        let exposure =
            machine.run(&format!("systemd-analyze security --offline=true --threshold=25 {UNIT}"))?;
        ensure!(exposure.success(), "{}", exposure.stdout);

        let id = machine.main_process(SERVICE)?;
        let status = machine.output(&format!("cat /proc/{id}/status"))?;
        // CAP_NET_ADMIN: bit 12.
        for line in
            ["CapBnd:\t0000000000001000", "CapEff:\t0000000000001000", "NoNewPrivs:\t1", "Seccomp:\t2"]
        {
            ensure!(status.contains(line), "{line:?} is missing: {status}");
        }
        wait_for_the_site(lab)?;
        must_reach(&lab.pc, SITE_IPV6)?;
        let journal = machine.output(&format!("journalctl --no-pager --output=cat --unit={SERVICE}"))?;
        ensure!(!journal.contains("WARN") && !journal.contains("ERROR"), "{journal}");
        Ok(())
    })
}

#[test]
fn a_client_that_finds_no_server_is_a_service_that_waits_for_one() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let machine = boot(lab)?;
        enrol(&machine, &deployment)?;
        lab.pc.output("ip route del default")?;
        ensure!(install(&machine)?.contains("runs now"), "it does not run");
        let first = machine.main_process(SERVICE)?;
        lab.pc.output("ip route add default via 192.168.1.1")?;
        let _server = deployment.server.up()?;
        wait_for_the_site(lab)?;
        assert_eq!(machine.main_process(SERVICE)?, first, "it was restarted");
        Ok(())
    })
}

#[test]
fn a_pc_without_a_good_configuration_gets_no_service() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let machine = boot(lab)?;
        let unenrolled = machine.run(&format!("{CLIENT} install"))?;
        ensure!(unenrolled.code == Some(2), "{unenrolled:?}");
        ensure!(unenrolled.stderr.contains("`sudo v6tun-client join INVITATION`"), "{unenrolled:?}");

        enrol(&machine, &deployment)?;
        let config = machine.path("/etc/v6tun/client.toml");
        let good = fs::read_to_string(&config)?;
        fs::write(&config, "nonsense")?;
        let wrong = machine.run(&format!("{CLIENT} install"))?;
        ensure!(wrong.code == Some(2), "{wrong:?}");
        ensure!(!machine.files()?.contains(UNIT), "a unit was written");

        // One that becomes wrong is no service that starts for ever.
        fs::write(&config, good)?;
        install(&machine)?;
        fs::write(&config, "nonsense")?;
        machine.run(&format!("systemctl restart {SERVICE}"))?;
        let state = machine.output(&format!("systemctl show --property=ActiveState,NRestarts {SERVICE}"))?;
        assert_eq!(state, "NRestarts=0\nActiveState=failed\n");
        machine.output(&format!("{CLIENT} uninstall"))?;
        ensure!(!Path::new(&machine.path(UNIT)).exists(), "the unit stays");
        Ok(())
    })
}
