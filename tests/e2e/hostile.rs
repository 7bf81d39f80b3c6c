//! What an enrolled client and strangers can do to a server that serves others: nothing.
//!
//! In a program of its own, because a flood would disturb tests that measure time.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use v6tun_keys::key_file::read_private_key;
use v6tun_keys::{PrivateKey, PublicKey};
use v6tun_tests::hostile_peer::forbidden::{self, Addresses};
use v6tun_tests::hostile_peer::garbage::Garbage;
use v6tun_tests::hostile_peer::noise::{Handshake, RESPONSE_LEN, data_header};
use v6tun_tests::hostile_peer::packet::{echo_request, is_echo_reply};
use v6tun_tests::hostile_peer::{HostilePeer, receive, socket_in};
use v6tun_tests::lab::address::{PROVIDER_IPV6, SITE_IPV6, VPS_IPV4, VPS_IPV6, leasable};
use v6tun_tests::lab::{Lab, Namespace, Options, Process, wait_until};
use v6tun_tests::product::{Deployment, Installation, PORT};

/// How long the server may take to count what was sent to it.
const COUNT_LIMIT: Duration = Duration::from_secs(5);
/// How long a silence is listened to before it counts as one.
const SILENCE: Duration = Duration::from_millis(500);
const GARBAGE: usize = 100_000;
/// Garbage that is sent before the server is asked what it has counted: far less than its socket holds, so
/// that the kernel drops nothing and the sum comes out even.
const BURST: usize = 500;

/// The server, and the laptop's key in hostile hands.
struct Scene<'a> {
    lab: &'a Lab,
    deployment: Deployment,
    server: Process,
    hostile: HostilePeer,
    sequence: u16,
}

impl<'a> Scene<'a> {
    fn set(lab: &'a Lab) -> Result<Self> {
        let deployment = Deployment::install(lab)?;
        let server = deployment.server.up()?;
        let key = read_private_key(&deployment.laptop.dir().join("private.key"))?;
        let hostile = HostilePeer::connect(&lab.laptop, address(), &key, &public_key(&deployment.server)?)?;
        let mut scene = Self { lab, deployment, server, hostile, sequence: 0 };
        // The first packet waits for the lease, the second does not.
        scene.ping_as_hostile()?;
        scene.ping_as_hostile()?;
        Ok(scene)
    }

    /// What the laptop may do: ping the site from its own lease.
    fn ping_as_hostile(&mut self) -> Result<()> {
        self.sequence += 1;
        let sequence = self.sequence;
        self.hostile.inject(&echo_request(leasable(1), SITE_IPV6, sequence))?;
        let reply = self.hostile.receive_packet(COUNT_LIMIT, |packet| is_echo_reply(packet, sequence));
        reply.context("the laptop's session").map(drop)
    }

    fn drops(&self) -> Result<BTreeMap<String, u64>> {
        let status = self.deployment.server.status()?;
        let drops = status["drops"].as_object().context("status has no drops")?;
        Ok(drops.iter().map(|(reason, count)| (reason.clone(), count.as_u64().unwrap_or(0))).collect())
    }

    fn dropped(&self, reason: &str) -> Result<u64> {
        Ok(self.drops()?.get(reason).copied().unwrap_or(0))
    }

    fn dropped_in_all(&self) -> Result<u64> {
        Ok(self.drops()?.values().sum())
    }

    /// Does something that the server must count `count` times under `reason`.
    fn expect_drops(
        &mut self,
        count: u64,
        reason: &str,
        act: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let before = self.drops()?;
        act(self)?;
        let expected = before.get(reason).copied().unwrap_or(0) + count;
        let counted = wait_until(reason, COUNT_LIMIT, || Ok(self.dropped(reason)? >= expected));
        counted.with_context(|| format!("before: {before:?}\nafter: {:?}", self.drops().unwrap_or_default()))
    }

    fn endpoint(&self, name: &str) -> Result<Value> {
        let status = self.deployment.server.status()?;
        let mut clients = status["clients"].as_array().into_iter().flatten();
        let client =
            clients.find(|client| client["name"] == name).with_context(|| format!("{name}: {status}"))?;
        Ok(client["endpoint"].clone())
    }

    /// How many packets the server has written to its tun.
    fn left_the_tun(&self) -> Result<u64> {
        let links: Value = serde_json::from_str(&self.lab.vps.output("ip -j -s link show dev v6tun0")?)?;
        links[0]["stats64"]["rx"]["packets"].as_u64().with_context(|| links.to_string())
    }
}

fn address() -> SocketAddr {
    SocketAddr::new(VPS_IPV4.into(), PORT)
}

fn public_key(installation: &Installation) -> Result<PublicKey> {
    Ok(PublicKey::from_base64(installation.public_key())?)
}

#[test]
fn nothing_forbidden_leaves_the_tun_and_each_packet_is_counted() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let mut scene = Scene::set(lab)?;
        let before = scene.left_the_tun()?;
        scene.ping_as_hostile()?;
        assert_eq!(scene.left_the_tun()?, before + 1, "a permitted packet leaves the tun");

        let addresses = Addresses {
            own: leasable(1),
            other_lease: leasable(0),
            vps: VPS_IPV6,
            router: PROVIDER_IPV6,
            site: SITE_IPV6,
            own_link_local: client_link_local(&scene)?,
        };
        let mut wrong = Vec::new();
        for packet in forbidden::all(&addresses) {
            let before = scene.left_the_tun()?;
            let counted =
                scene.expect_drops(1, packet.reason, |scene| scene.hostile.inject(&packet.packet).map(drop));
            if let Err(error) = counted {
                wrong.push(format!("{}: {error:#}", packet.name));
            }
            if scene.left_the_tun()? != before {
                wrong.push(format!("{}: it left the tun", packet.name));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        scene.ping_as_hostile()?;
        ensure!(scene.server.is_running()?);
        Ok(())
    })
}

#[test]
fn garbage_forgeries_and_replays_disturb_nobody_and_only_a_recorded_initiation_is_answered_once() -> Result<()>
{
    Lab::run(&Options::default(), |lab| {
        let mut scene = Scene::set(lab)?;
        let _good = scene.deployment.pc.up()?;
        let endpoints = [scene.endpoint("pc")?, scene.endpoint("laptop")?];
        let answers = watch_answers(lab)?;
        let mut ping = lab.pc.spawn("ping", &format!("ping -6 -n -q -i 0.05 -W 2 {SITE_IPV6}"))?;

        throw_garbage(&mut scene)?;
        forge(&mut scene)?;
        assert_eq!(answers.stdout(), "", "the server answered");
        replay(&mut scene)?;

        assert_eq!([scene.endpoint("pc")?, scene.endpoint("laptop")?], endpoints, "an endpoint moved");
        assert_eq!(answers.stdout().lines().count(), 1, "{}", answers.stdout());
        scene.ping_as_hostile()?;
        ping.signal(Signal::INT)?;
        ping.wait(COUNT_LIMIT)?;
        ensure!(ping.stdout().contains(" 0% packet loss"), "{}", ping.stdout());
        ensure!(scene.server.is_running()?);
        move_on_fresh_data(&mut scene)
    })
}

#[test]
fn an_empty_datagram_is_counted() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let mut scene = Scene::set(lab)?;
        let socket = socket_in(&lab.neighbour, address())?;
        scene.expect_drops(3, "datagram-malformed", |_| {
            (0..3).try_for_each(|_| Ok(socket.send(&[]).map(drop)?))
        })
    })
}

#[test]
fn a_flood_of_handshakes_from_unknown_keys_locks_nobody_out_and_fills_no_log() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let mut server = deployment.server.up()?;
        let key = public_key(&deployment.server)?;
        let stranger = socket_in(&lab.neighbour, address())?;
        let flood = |count: usize| -> Result<()> {
            for _ in 0..count {
                let (_, initiation) = Handshake::start(&PrivateKey::generate()?, &key)?;
                stranger.send(&initiation)?;
            }
            Ok(())
        };
        let start = Instant::now();
        flood(3000)?;
        let mut client = deployment.pc.start_up()?;
        flood(3000)?;
        client.wait_for_line("v6tun-client: up", Duration::from_secs(10))?;
        ensure!(receive(&stranger, SILENCE)?.is_none(), "the server answered an unknown key");
        ensure!(server.is_running()?);
        // One a second, and one for the second that has begun.
        let most = start.elapsed().as_secs() + 2;
        let lines = server.stderr().lines().filter(|line| line.contains("no client has")).count();
        ensure!(
            (1..=most).contains(&u64::try_from(lines)?),
            "{lines} lines about unknown keys, {most} allowed"
        );
        Ok(())
    })
}

/// The garbage comes from the neighbour, who has no session.
fn throw_garbage(scene: &mut Scene<'_>) -> Result<()> {
    let socket = socket_in(&scene.lab.neighbour, address())?;
    let mut garbage = Garbage::new(0x7665_7274, scene.hostile.session().receiver);
    let before = scene.dropped_in_all()?;
    for sent in (BURST..=GARBAGE).step_by(BURST) {
        for datagram in garbage.by_ref().take(BURST) {
            socket.send(&datagram)?;
        }
        let expected = before + u64::try_from(sent)?;
        let counted =
            wait_until("garbage to be counted", COUNT_LIMIT, || Ok(scene.dropped_in_all()? >= expected));
        counted.with_context(|| format!("{sent} sent, {before} before, {:?}", scene.drops()))?;
    }
    ensure!(receive(&socket, SILENCE)?.is_none(), "the server answered garbage");
    Ok(())
}

/// Messages with the right index and a wrong tag, or the right tag and a forbidden counter or length.
fn forge(scene: &mut Scene<'_>) -> Result<()> {
    let receiver = scene.hostile.session().receiver;
    let mut long = data_header(receiver, 1 << 20);
    long.resize(65_000, 0x5a);
    scene.expect_drops(1, "datagram-too-long", |scene| scene.hostile.send(&long))?;
    let sealed = scene.hostile.session().seal_at(1 << 20, &[0x60; 64_000]);
    scene.expect_drops(1, "datagram-too-long", |scene| scene.hostile.send(&sealed))?;

    let packet = echo_request(leasable(1), SITE_IPV6, 0);
    for counter in [u64::MAX, u64::MAX - 1, u64::MAX - (1 << 13)] {
        let sealed = scene.hostile.session().seal_at(counter, &packet);
        scene.expect_drops(1, "counter-exhausted", |scene| scene.hostile.send(&sealed))?;
    }
    let mut bad_tag = scene.hostile.session().seal_at(1 << 20, &packet);
    let last = bad_tag.len() - 1;
    bad_tag[last] ^= 1;
    scene.expect_drops(1, "not-authentic", |scene| scene.hostile.send(&bad_tag))?;
    scene.ping_as_hostile()
}

/// Genuine messages again, from where they came and from elsewhere; cookies that nobody asked for.
fn replay(scene: &mut Scene<'_>) -> Result<()> {
    let elsewhere = socket_in(&scene.lab.provider, address())?;
    let initiation = scene.hostile.initiation().to_vec();
    // It may be of a client whose clock has gone back, which data would prove: it is answered, once, and with less.
    elsewhere.send(&initiation)?;
    let answer = receive(&elsewhere, COUNT_LIMIT)?.context("an answer")?;
    ensure!(answer.len() == RESPONSE_LEN && answer.len() < initiation.len(), "{answer:?}");
    scene.expect_drops(1, "handshake-outdated", |scene| scene.hostile.send(&initiation))?;
    scene.expect_drops(1, "handshake-outdated", |_| Ok(elsewhere.send(&initiation).map(drop)?))?;

    let data = scene.hostile.inject(&echo_request(leasable(1), SITE_IPV6, 0))?;
    scene.hostile.receive_packet(COUNT_LIMIT, |packet| is_echo_reply(packet, 0))?;
    scene.expect_drops(1, "replayed", |scene| scene.hostile.send(&data))?;
    scene.expect_drops(1, "replayed", |_| Ok(elsewhere.send(&data).map(drop)?))?;

    let mut garbage = Garbage::new(1, scene.hostile.session().receiver);
    let before = scene.dropped_in_all()?;
    for _ in 0..1000 {
        elsewhere.send(&garbage.cookie_reply())?;
    }
    wait_until("cookies to be counted", COUNT_LIMIT, || Ok(scene.dropped_in_all()? >= before + 1000))?;
    ensure!(receive(&elsewhere, SILENCE)?.is_none(), "the server answered a replay or a cookie");
    scene.ping_as_hostile()
}

/// The counterpart of all that: a fresh message does move its sender, so the endpoint could have moved.
fn move_on_fresh_data(scene: &mut Scene<'_>) -> Result<()> {
    let elsewhere = socket_in(&scene.lab.provider, address())?;
    let here = serde_json::json!(elsewhere.local_addr()?.to_string());
    let fresh = scene.hostile.session().seal(&echo_request(leasable(1), SITE_IPV6, 0));
    elsewhere.send(&fresh)?;
    wait_until("the laptop to be elsewhere", COUNT_LIMIT, || Ok(scene.endpoint("laptop")? == here))
}

/// Watches what the server sends to the two machines that have no session with it.
fn watch_answers(lab: &Lab) -> Result<Process> {
    watch(
        &lab.vps,
        &format!("udp and src host {VPS_IPV4} and (dst host 203.0.113.234 or dst host 203.0.113.1)"),
    )
}

fn watch(host: &Namespace, filter: &str) -> Result<Process> {
    let tcpdump = host.spawn("tcpdump", &format!("tcpdump -n -l -i ens3 {filter}"))?;
    wait_until("tcpdump to listen", COUNT_LIMIT, || Ok(tcpdump.stderr().contains("listening on")))?;
    Ok(tcpdump)
}

/// The address from which the laptop's own client would speak the control protocol.
fn client_link_local(scene: &Scene<'_>) -> Result<Ipv6Addr> {
    Ok(v6tun_proto::client_link_local(&public_key(&scene.deployment.laptop)?))
}
