//! A revoked client: out within a second, and nobody else notices.

use std::net::Ipv6Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, Process, wait_until};

use super::Scene;
use crate::options;
use crate::tools::{must_reach, ping};

/// From the acknowledgement to the client's last packet, either way.
const LAST_PACKET_LIMIT: f64 = 1.0;

/// Every packet from or to `address` in the tunnel, each with its time.
struct Watch {
    tcpdump: Process,
    address: Ipv6Addr,
}

impl Watch {
    fn start(lab: &Lab, address: Ipv6Addr) -> Result<Self> {
        let command = format!("tcpdump -n -l -tt -i v6tun0 host {address}");
        let tcpdump = lab.vps.spawn("tcpdump", &command)?;
        wait_until("tcpdump to listen", Duration::from_secs(5), || {
            Ok(tcpdump.stderr().contains("listening"))
        })?;
        Ok(Self { tcpdump, address })
    }

    /// When the last packets came from and went to the address, seconds since 1970; none: never.
    fn last(&self) -> [Option<f64>; 2] {
        let seen = self.tcpdump.stdout();
        let time = |line: &str| line.split_whitespace().next()?.parse().ok();
        [format!("{} > ", self.address), format!("> {}:", self.address)]
            .map(|part| seen.lines().filter(|line| line.contains(&part)).filter_map(time).next_back())
    }
}

fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

#[test]
fn the_last_packet_of_a_revoked_client_goes_within_a_second_and_another_loses_none() -> Result<()> {
    Lab::run(&options(), |lab| {
        let scene = Scene::set(lab)?;
        let address = scene.pc.address()?;
        let watch = Watch::start(lab, address)?;
        let mut pings = [
            lab.pc.spawn("ping", &format!("ping -n -i 0.02 {SITE_IPV6}"))?,
            lab.site.spawn("ping", &format!("ping -n -i 0.02 {address}"))?,
        ];
        let mut undisturbed = lab.laptop.spawn("ping", &format!("ping -n -q -i 0.02 -W 2 {SITE_IPV6}"))?;
        wait_until("packets both ways", Duration::from_secs(5), || {
            Ok(watch.last().iter().all(Option::is_some))
        })?;

        scene.must("client revoke pc")?;
        let revoked = now()?;
        // Two seconds of another client's life.
        assert_eq!(ping(&lab.laptop, SITE_IPV6, 100, 0.02)?.lost, 0);
        for (way, last) in ["from", "to"].into_iter().zip(watch.last()) {
            let after = last.context(way)? - revoked;
            println!("the last packet {way} the revoked client: {after:.3} s after the acknowledgement");
            ensure!(after <= LAST_PACKET_LIMIT, "{after} s {way} it");
        }
        for ping in &mut pings {
            ping.kill()?;
        }
        undisturbed.signal(Signal::INT)?;
        undisturbed.wait(Duration::from_secs(5))?;
        ensure!(undisturbed.stdout().contains(" 0% packet loss"), "{}", undisturbed.stdout());
        Ok(())
    })
}

#[test]
fn nothing_of_a_revoked_client_stays_on_the_vps() -> Result<()> {
    Lab::run(&options(), |lab| {
        let scene = Scene::set(lab)?;
        let (address, key) = (scene.pc.address()?, scene.pc.read_public_key()?.to_string());
        let invitations = scene.must("invitation list")?;
        let open = scene.server.installation.invite("pc-again")?;
        scene.must("client revoke pc")?;

        let text = address.to_string();
        let traces = || -> Result<Vec<&'static str>> {
            let commands = ["ip -6 neigh show proxy", "ip -6 route show table all dev v6tun0"];
            let mut traces = Vec::new();
            for command in commands {
                if lab.vps.output(command)?.contains(&text) {
                    traces.push(command);
                }
            }
            if scene.server.installation.status()?.to_string().contains(&key) {
                traces.push("status");
            }
            Ok(traces)
        };
        wait_until("the traces to go", Duration::from_secs(1), || Ok(traces()?.is_empty()))
            .with_context(|| format!("{:?}", traces()))?;
        ensure!(!scene.must("client list")?.contains(&text), "it is still listed");
        let left = scene.must("invitation list")?;
        ensure!(!left.lines().any(|line| names(line, "pc")), "before: {invitations}now: {left}");
        ensure!(scene.server.client(lab, &lab.pc)?.join(&open)?.success(), "another invitation went with it");
        must_reach(&lab.laptop, SITE_IPV6)
    })
}

/// Whether a line of a table has this word.
fn names(line: &str, name: &str) -> bool {
    line.split_whitespace().any(|word| word == name)
}

#[test]
fn a_revoked_client_says_so_and_cannot_come_back() -> Result<()> {
    Lab::run(&options(), |lab| {
        let mut server = v6tun_tests::product::FreshServer::up(lab)?;
        let pc = server.client(lab, &lab.pc)?;
        let invitation = server.installation.invite("pc")?;
        let connected = pc.up_with(&invitation)?;
        let address = pc.address()?;
        server.installation.must("client revoke pc")?;
        wait_until("the client to say so", Duration::from_secs(3), || {
            Ok((connected.stderr() + &connected.stdout()).contains("revoked"))
        })?;
        // A kill right after the acknowledgement brings nobody back.
        server.process.kill()?;
        server.process = server.installation.up()?;
        assert_eq!(server.installation.client_names()?, [""; 0]);
        // Whatever is left of its process.
        drop(connected);
        pc.down()?;
        let again = pc.start(&format!("up {invitation}"))?;
        wait_until("the client to complain", Duration::from_secs(10), || {
            Ok(again.stderr().contains("hint: "))
        })?;
        let held = lab.pc.output("ip -6 -o address show scope global")?;
        ensure!(!held.contains(&address.to_string()), "it has its address again: {held}");
        assert_eq!(server.installation.client_names()?, [""; 0]);
        Ok(())
    })
}
