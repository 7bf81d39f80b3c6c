//! What of Windows and of wintun may fail: the client repairs it, or says what it is, and leaves the PC as it was.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Finished, Lab, Process, Snapshot, wait_until};
use v6tun_tests::product::{Deployment, Installation};
use v6tun_tests::windows_pc::{WindowsPc, WintunDll};

use crate::options;
use crate::tools::{must_reach, wait_until_settled};

/// How long the client may take to say that something does not work.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to be up again after something was taken away.
const REPAIR_LIMIT: Duration = Duration::from_secs(30);
const ADAPTER: &str = "v6tun0";

/// A lab with a server that is up, and a PC whose client is to be started.
fn with_client(test: impl FnOnce(&Lab, &Installation, &WindowsPc) -> Result<()>) -> Result<()> {
    Lab::run(&options(), |lab| {
        let deployment = Deployment::install(lab)?;
        let _server = deployment.server.up()?;
        let windows = deployment.pc.windows().context("the pc has no Windows")?;
        wait_until_settled(&lab.pc)?;
        test(lab, &deployment.pc, windows)
    })
}

/// Runs an `up` that is to end by itself.
fn failed_up(client: &Installation) -> Result<Finished> {
    let mut process = client.start_up()?;
    let code = process.wait(ANSWER_LIMIT).with_context(|| process.stderr())?;
    Ok(Finished { code, stdout: process.stdout(), stderr: process.stderr() })
}

/// An `up` with this fault in the environment says `what`, ends with 1, and leaves the PC as it was.
fn assert_told(lab: &Lab, client: &Installation, fault: &str, what: &str) -> Result<()> {
    let before = Snapshot::take(&lab.pc)?;
    let finished = failed_up(&client.with_environment(fault))?;
    ensure!(finished.code == Some(1) && finished.stderr.contains(what), "{fault}: {finished:?}");
    ensure!(finished.stderr.lines().any(|line| line.starts_with("v6tun-client: ")), "{fault}: {finished:?}");
    wait_until("the adapter to go", ANSWER_LIMIT, || {
        Ok(before.difference(&Snapshot::take(&lab.pc)?).is_empty())
    })
    .with_context(|| format!("{fault}: {:?}", Snapshot::take(&lab.pc).map(|now| before.difference(&now))))
}

#[test]
fn an_adapter_that_cannot_be_made_at_first_is_made_at_the_second_try() -> Result<()> {
    with_client(|lab, client, _| {
        for error in ["0x1F", "0xC0000035", "183"] {
            let fault = format!("FAKE_WINTUN_FAIL=CreateAdapter={error}*1");
            let _process = client.with_environment(&fault).up().context(fault)?;
            must_reach(&lab.pc, SITE_IPV6)?;
            client.down()?;
        }
        Ok(())
    })
}

#[test]
fn an_adapter_that_can_never_be_made_is_told() -> Result<()> {
    with_client(|lab, client, _| {
        for error in ["0x1F", "0xC0000035", "5"] {
            let fault = format!("FAKE_WINTUN_FAIL=CreateAdapter={error}");
            assert_told(lab, client, &fault, &format!("adapter {ADAPTER}"))?;
        }
        assert_told(lab, client, "FAKE_WINTUN_FAIL=StartSession=5", ADAPTER)
    })
}

#[test]
fn an_address_or_a_route_that_windows_refuses_is_told_and_all_else_taken_back() -> Result<()> {
    with_client(|lab, client, _| {
        for (function, what) in [
            ("CreateUnicastIpAddressEntry", "add address "),
            ("CreateIpForwardEntry2", "add route default dev v6tun0"),
            ("SetIpInterfaceEntry", "set link v6tun0 "),
            ("GetIpForwardTable2", "list the routes"),
        ] {
            assert_told(lab, client, &format!("FAKE_IPHLPAPI_FAIL={function}=31"), what)?;
        }
        Ok(())
    })
}

#[test]
fn a_wintun_that_is_none_is_told() -> Result<()> {
    with_client(|lab, client, windows| {
        for (dll, what) in [
            (WintunDll::ForArm, "another kind of processor"),
            (WintunDll::Another, "not wintun"),
            (WintunDll::NoDll, "wintun.dll"),
            (WintunDll::Missing, "missing"),
        ] {
            windows.replace_wintun(dll)?;
            assert_told(lab, client, "NO=FAULT", what).with_context(|| format!("{dll:?}"))?;
        }
        Ok(())
    })
}

#[test]
fn the_adapter_of_a_killed_client_is_in_nobodys_way() -> Result<()> {
    with_client(|lab, client, windows| {
        windows.order("keep-orphans")?;
        let mut killed = client.up()?;
        killed.kill()?;
        let _process = client.up()?;
        must_reach(&lab.pc, SITE_IPV6)
    })
}

#[test]
fn twenty_starts_after_twenty_kills_are_twenty_that_work() -> Result<()> {
    with_client(|lab, client, _| {
        let before = Snapshot::take(&lab.pc)?;
        for attempt in 0..20 {
            let mut process = client.up().with_context(|| format!("attempt {attempt}"))?;
            must_reach(&lab.pc, SITE_IPV6).with_context(|| format!("attempt {attempt}"))?;
            process.kill()?;
        }
        client.down()?;
        assert_eq!(before.difference(&Snapshot::take(&lab.pc)?), "");
        Ok(())
    })
}

#[test]
fn packets_that_the_ring_does_not_take_are_counted_and_the_next_ones_pass() -> Result<()> {
    with_client(|lab, client, _| {
        let faulty = client.with_environment("FAKE_WINTUN_FAIL=AllocateSendPacket=111*3");
        let process = faulty.up()?;
        wait_until("an answer to pass", ANSWER_LIMIT, || answers(lab))?;
        let status = client.status()?;
        ensure!(dropped(&status) >= 3, "{status}");
        must_reach(&lab.pc, SITE_IPV6)?;
        assert_runs_on(process)
    })
}

#[test]
fn a_ring_that_stalls_neither_hangs_the_client_nor_keeps_what_it_could_not_take() -> Result<()> {
    with_client(|lab, client, windows| {
        let process = client.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        windows.order(&format!("stall {ADAPTER}"))?;
        ensure!(!answers(lab)?, "nothing stalls");
        ensure!(client.status()?["state"] == "up", "{:?}", client.status());
        windows.order(&format!("go-on {ADAPTER}"))?;
        must_reach(&lab.pc, SITE_IPV6)?;
        assert_runs_on(process)
    })
}

#[test]
fn an_adapter_that_is_taken_away_is_made_anew() -> Result<()> {
    with_client(|lab, client, windows| {
        let process = client.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        windows.order(&format!("remove {ADAPTER}"))?;
        ensure!(!answers(lab)?, "it is still there");
        wait_until("the client to make it anew", REPAIR_LIMIT, || answers(lab))
            .with_context(|| process.stderr())?;
        must_reach(&lab.pc, SITE_IPV6)?;
        client.down()
    })
}

fn answers(lab: &Lab) -> Result<bool> {
    Ok(lab.pc.run(&format!("ping -n -c 1 -W 0.5 {SITE_IPV6}"))?.success())
}

/// All that the client has dropped.
fn dropped(status: &serde_json::Value) -> u64 {
    let drops = status["drops"].as_object();
    drops.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

fn assert_runs_on(mut process: Process) -> Result<()> {
    ensure!(process.is_running()?, "it has ended: {}", process.stderr());
    Ok(())
}
