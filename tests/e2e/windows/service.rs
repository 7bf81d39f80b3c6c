//! The client as a service of Windows: there without anybody, and gone without a rest.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Snapshot, wait_until};
use v6tun_tests::product::{Deployment, Installation};
use v6tun_tests::windows_pc::WindowsPc;

use crate::options;
use crate::tools::{must_reach, wait_until_settled};

/// How long the service may take until its client is connected, and Windows until an adapter is gone.
const LIMIT: Duration = Duration::from_secs(30);
const SERVICE: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\v6tun";
const EVENTS: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\v6tun";

fn with_client(test: impl FnOnce(&Lab, &Installation, &WindowsPc) -> Result<()>) -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let windows = deployment.pc.windows().context("the pc has no Windows")?;
        wait_until_settled(&lab.pc)?;
        let ran = test(lab, &deployment.pc, windows);
        // Whatever has become of it, nothing of it stays.
        let _ = deployment.pc.run("uninstall");
        ran
    })
}

/// What of the PC is as the service may have left it: its network, and the firewall's rules.
fn state(lab: &Lab, windows: &WindowsPc) -> Result<(Snapshot, String)> {
    Ok((Snapshot::take(&lab.pc)?, windows.order("rules")?))
}

/// The rows of a key of the registry; none if it is not there.
fn key(windows: &WindowsPc, key: &str) -> Result<String> {
    let found = windows.run(&format!("reg query {key}"))?;
    Ok(if found.success() { found.stdout } else { String::new() })
}

fn must_be_as(before: &(Snapshot, String), lab: &Lab, windows: &WindowsPc) -> Result<()> {
    wait_until("the adapter to go", LIMIT, || Ok(before.0.difference(&Snapshot::take(&lab.pc)?).is_empty()))
        .with_context(|| format!("{:?}", state(lab, windows)))?;
    assert_eq!(before.1, windows.order("rules")?);
    Ok(())
}

fn wait_until_up(lab: &Lab, client: &Installation) -> Result<()> {
    wait_until("the service's client to be up", LIMIT, || {
        Ok(client.run("status")?.success() && must_reach(&lab.pc, SITE_IPV6).is_ok())
    })
}

#[test]
fn a_service_is_installed_runs_and_is_removed_without_rest() -> Result<()> {
    with_client(|lab, client, windows| {
        let before = state(lab, windows)?;
        let said = client.must("install")?;
        ensure!(said.contains("installed") && said.contains("the service runs"), "{said}");
        let values = key(windows, SERVICE)?;
        for part in ["v6tun-client.exe", " service --config ", "LocalSystem", "0x2"] {
            ensure!(values.contains(part), "{part}: {values}");
        }
        ensure!(key(windows, EVENTS)?.contains("EventCreate.exe"), "{}", key(windows, EVENTS)?);
        wait_until_up(lab, client)?;
        let addresses = lab.pc.output("ip -6 -o address show dev v6tun0 scope global")?;
        ensure!(addresses.contains(&format!("{}/128", leasable(0))), "{addresses}");

        let again = client.run("up")?;
        ensure!(again.code == Some(1) && again.stderr.contains("the service runs already"), "{again:?}");
        ensure!(client.must("install")?.contains("as it should be"), "a second install");

        client.must("stop")?;
        must_be_as(&before, lab, windows)?;
        ensure!(client.must("stop")?.contains("does not run"), "a second stop");
        client.must("start")?;
        wait_until_up(lab, client)?;
        client.must("down")?;
        must_be_as(&before, lab, windows)?;
        ensure!(client.must("stop")?.contains("does not run"), "the service is over after `down`");

        client.must("start")?;
        client.must("uninstall")?;
        must_be_as(&before, lab, windows)?;
        for left in [SERVICE, EVENTS] {
            // Windows removes a service when the last who looks at it has closed it.
            wait_until(&format!("{left} to go"), LIMIT, || Ok(key(windows, left)?.is_empty()))?;
        }
        ensure!(client.must("uninstall")?.contains("no service is installed"), "a second uninstall");
        let started = client.run("start")?;
        ensure!(started.code == Some(1) && started.stderr.contains("v6tun-client install"), "{started:?}");
        Ok(())
    })
}

#[test]
fn a_service_that_cannot_start_says_why_and_is_there_all_the_same() -> Result<()> {
    with_client(|lab, client, _| {
        let config = std::fs::read_to_string(client.config())?;
        std::fs::remove_file(client.config())?;
        let said = client.must("install")?;
        ensure!(said.contains("v6tun-client join INVITATION"), "{said}");
        let started = client.run("start")?;
        ensure!(started.code == Some(1) && started.stderr.contains("config.toml"), "{started:?}");
        client.write_config("nonsense\n")?;
        let started = client.run("start")?;
        ensure!(started.code == Some(1) && started.stderr.contains("config.toml:1:9: "), "{started:?}");

        client.write_config(&config)?;
        let _holder = client.up()?;
        let started = client.run("start")?;
        ensure!(started.code == Some(1), "{started:?}");
        ensure!(started.stderr.contains("the service does not run: "), "{started:?}");
        ensure!(started.stderr.contains("client.log"), "{started:?}");
        must_reach(&lab.pc, SITE_IPV6)
    })
}
