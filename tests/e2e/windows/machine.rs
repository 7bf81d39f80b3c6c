//! The lab's Windows behaves as Windows does, where a tunnel's client touches it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use v6tun_tests::lab::{Lab, Options, Process, Snapshot, wait_until};
use v6tun_tests::windows_pc::WindowsPc;

use crate::tools::wait_until_settled;

/// How long Wine may take for what is quick.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Runs `test` on a Windows that has the program `probe`.
pub(crate) fn with_probe(test: impl FnOnce(&Lab, &WindowsPc) -> Result<()>) -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let pc = WindowsPc::boot(lab, &lab.pc)?;
        pc.install_helper("probe")?;
        wait_until_settled(&lab.pc)?;
        test(lab, &pc)
    })
}

/// Starts the program with an adapter `v6tun0`: see `tests/windows/relay/src/bin/probe`.
pub(crate) fn probe(lab: &Lab, pc: &WindowsPc, environment: &str, steps: &str) -> Result<Process> {
    lab.pc.spawn("probe", &pc.command_line(environment, "probe", &format!("v6tun0 {steps}")))
}

pub(crate) fn has_device(lab: &Lab) -> Result<bool> {
    Ok(lab.pc.run("ip link show v6tun0")?.success())
}

#[test]
fn an_adapter_is_there_as_long_as_its_process() -> Result<()> {
    with_probe(|lab, pc| {
        let before = Snapshot::take(&lab.pc)?;
        let mut process = probe(lab, pc, "", "wait")?;
        process.wait_for_line("created", LIMIT)?;
        ensure!(has_device(lab)?, "there is no device");
        process.kill()?;
        wait_until("the device to go with its process", LIMIT, || Ok(!has_device(lab)?))?;
        assert_eq!(before.difference(&Snapshot::take(&lab.pc)?), "");

        let mut process = probe(lab, pc, "", "")?;
        assert_eq!(process.wait(LIMIT)?, Some(0), "{}{}", process.stdout(), process.stderr());
        wait_until("the device to go", LIMIT, || Ok(!has_device(lab)?))?;
        assert_eq!(before.difference(&Snapshot::take(&lab.pc)?), "");
        Ok(())
    })
}

#[test]
fn what_is_called_is_done_and_seen_by_ip() -> Result<()> {
    with_probe(|lab, pc| {
        let steps = "mtu=1420 address=2001:db8::1/128 address=2001:db8::1/128 route=::/0,7 route=::/0,9 metric=3 \
                     best=2001:db8:5::80 dns=2001:db8::53,2001:db8::54 no-address=2001:db8::2/128 \
                     no-route=2001:db8:9::/48 wait=now";
        let mut process = probe(lab, pc, "", &format!("{steps} wait"))?;
        let said = process.wait_for_line("no-route", LIMIT).map(|_| process.stdout())?;
        let expected = [
            "created",
            "mtu=1420 0",
            "address=2001:db8::1/128 0",
            "address=2001:db8::1/128 5010",
            "route=::/0,7 0",
            "route=::/0,9 5010",
            "metric=3 0",
            "best=2001:db8:5::80 0 2001:db8::1",
            "dns=2001:db8::53,2001:db8::54 0 0 2001:db8::53,2001:db8::54",
            "no-address=2001:db8::2/128 1168",
            "no-route=2001:db8:9::/48 1168",
        ];
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
        let link = lab.pc.output("ip link show v6tun0")?;
        ensure!(link.contains(" mtu 1420 ") && link.contains("UP"), "{link}");
        let addresses = lab.pc.output("ip -6 -o address show dev v6tun0 scope global")?;
        ensure!(addresses.contains("2001:db8::1/128") && !addresses.contains("tentative"), "{addresses}");
        let routes = lab.pc.output("ip -6 route show default")?;
        assert_eq!(routes.trim(), "default dev v6tun0 metric 10 pref medium");
        assert_eq!(pc.order("name-servers")?, "v6tun0 6 2001:db8::53,2001:db8::54\n");
        Ok(())
    })
}

#[test]
fn whoever_listens_is_told_of_each_change() -> Result<()> {
    with_probe(|lab, pc| {
        let mut process = probe(lab, pc, "", "listen wait")?;
        process.wait_for_line("listen 0", LIMIT)?;
        ensure!(process.stdout().contains("address-changed 3 None"), "{}", process.stdout());
        let index = lab.pc.output("cat /sys/class/net/eth0/ifindex")?;
        lab.pc.ip("address add 192.168.7.1/24 dev eth0")?;
        process.wait_for_line(&format!("address-changed 1 Some({})", index.trim()), LIMIT)?;
        process.wait_for_line("route-changed 1 Some(24)", LIMIT)?;
        lab.pc.ip("address del 192.168.7.1/24 dev eth0")?;
        process.wait_for_line(&format!("address-changed 2 Some({})", index.trim()), LIMIT)?;
        lab.pc.ip("link set dev eth0 mtu 1400")?;
        process.wait_for_line(&format!("interface-changed 0 Some({})", index.trim()), LIMIT).map(drop)
    })
}

#[test]
fn a_function_fails_as_often_as_it_is_told_to() -> Result<()> {
    with_probe(|lab, pc| {
        let faults = "FAKE_IPHLPAPI_FAIL=CreateUnicastIpAddressEntry=0xC0000035*2,SetIpInterfaceEntry=5";
        let steps =
            "address=2001:db8::1/128 address=2001:db8::1/128 address=2001:db8::1/128 mtu=1420 mtu=1420";
        let mut process = probe(lab, pc, faults, steps)?;
        process.wait(LIMIT)?;
        let codes: Vec<_> = process
            .stdout()
            .lines()
            .skip(1)
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok())
            .collect();
        assert_eq!(codes, [0xC000_0035_u32, 0xC000_0035, 0, 5, 5]);

        for fault in ["CreateAdapter=0x1F", "StartSession=5"] {
            let mut process = probe(lab, pc, &format!("FAKE_WINTUN_FAIL={fault}"), "session")?;
            assert_eq!(process.wait(LIMIT)?, Some(1), "{fault}: {}", process.stdout());
        }
        Ok(())
    })
}

#[test]
fn an_adapter_that_a_killed_process_left_is_in_the_way_once() -> Result<()> {
    with_probe(|lab, pc| {
        pc.order("keep-orphans")?;
        let mut process = probe(lab, pc, "", "wait")?;
        process.wait_for_line("created", LIMIT)?;
        process.kill()?;
        ensure!(has_device(lab)?, "it has gone");
        let mut second = probe(lab, pc, "", "wait")?;
        assert_eq!(second.wait(LIMIT)?, Some(1), "{}", second.stdout());
        let mut third = probe(lab, pc, "", "wait")?;
        third.wait_for_line("created", LIMIT).map(drop)
    })
}

#[test]
fn an_adapter_that_is_taken_away_ends_what_is_received() -> Result<()> {
    with_probe(|lab, pc| {
        let mut process = probe(lab, pc, "", "session address=2001:db8::1/64 receive wait")?;
        process.wait_for_line("address", LIMIT)?;
        lab.pc.run("ping -n -c 1 -W 1 -s 152 2001:db8::2")?;
        process.wait_for_line("packet 200", LIMIT)?;
        pc.order("remove v6tun0")?;
        process.wait_for_line("receive ", LIMIT).context("it still receives")?;
        ensure!(!has_device(lab)?, "the device is there");
        Ok(())
    })
}

#[test]
fn ctrl_c_and_a_closed_window_call_a_programs_handlers() -> Result<()> {
    with_probe(|lab, pc| {
        let mut process = probe(lab, pc, "", "handler wait")?;
        process.wait_for_line("handler 0", LIMIT)?;
        process.signal(Signal::INT)?;
        process.wait_for_line("event 0", LIMIT)?;
        process.wait_for_line("done", LIMIT)?;
        ensure!(process.is_running()?, "it has taken care of the event itself");

        pc.close_window("probe")?;
        process.wait(LIMIT).context("it still runs")?;
        ensure!(process.stdout().ends_with("event 2\ndone\n"), "{}", process.stdout());
        pc.wait_until_gone("v6tun0")
    })
}

#[test]
fn a_windows_that_is_dropped_leaves_no_program_running() -> Result<()> {
    let lab = Lab::build()?;
    let pc = WindowsPc::boot(&lab, &lab.pc)?;
    let inhabitants = || lab.pc.run(&format!("ip netns pids {}", lab.pc.name()));
    ensure!(inhabitants()?.stdout.lines().count() > 4, "where are Wine's helpers?");
    drop(pc);
    wait_until("Wine's helpers to go", LIMIT, || {
        // The one that asks is there, too.
        Ok(inhabitants()?.stdout.lines().count() <= 2)
    })
}
