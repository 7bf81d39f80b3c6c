//! The server's answers.

use std::time::Duration;

use anyhow::{Result, ensure};
use v6tun_tests::hostile_peer::noise::Handshake;
use v6tun_tests::hostile_peer::{receive, socket_in};
use v6tun_tests::lab::address::{SITE_IPV6, VPS_IPV4, VPS_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Snapshot, wait_until};
use v6tun_tests::product::{Deployment, PORT, server_toml};

use super::arrangement::Arrangement;
use super::{Case, assert_all_refused, assert_answer};
use crate::tools::must_reach;

/// Mistakes in `server.toml` and the files that it names.
fn files() -> Vec<Case> {
    vec![
        Case::of("--config names no file", Arrangement::MissingConfig).exits(
            2,
            "config.toml: there is no such file",
            "--config",
        ),
        Case::of("no key file", Arrangement::MissingKey).exits(
            2,
            "private.key: no such file",
            "v6tun genkey >",
        ),
        Case::of("a key file that others can read", Arrangement::KeyMode(0o644)).exits(
            2,
            "private.key: its mode 0644 lets others at it",
            "chmod 600 ",
        ),
        Case::of("a bad private key", Arrangement::KeyContent("no key at all\n")).exits(
            2,
            "private.key holds no key",
            "v6tun genkey",
        ),
        Case::of("a bad public key", Arrangement::replace("public-key = \"", "public-key = \"AAAA")).exits(
            2,
            "config.toml:9: client.public-key: wrong length: a key has 44 base64 characters, this has 48",
            "v6tun pubkey",
        ),
        Case::of("an unknown key", Arrangement::replace("listen-port", "listen-prot")).exits(
            2,
            "config.toml:2: unknown key `listen-prot`",
            "`listen-port`",
        ),
        Case::of("no TOML", Arrangement::prepend("[[[")).exits(2, "config.toml:1:", ""),
        Case::of("an address given twice", pool(&[0, 1, 0])).exits(
            2,
            "the pool lists 2001:db8:1301:740:a133:0:113:2330 twice",
            "delete one",
        ),
        Case::of("more clients than addresses", pool(&[0])).exits(2, "laptop", "[pool] addresses"),
    ]
}

/// Mistakes about the host.
fn host() -> Vec<Case> {
    vec![
        Case::of("no root", Arrangement::NoRoot).exits(1, "needs root", "sudo "),
        Case::of("no /dev/net/tun", Arrangement::NoTun).exits(1, "/dev/net/tun", "modprobe tun"),
        Case::of("the port taken", Arrangement::PortTaken(PORT)).exits(1, "51820", "ss -ulpn sport = :51820"),
        Case::of("a state folder that everybody can write to", Arrangement::FolderMode("state", 0o777))
            .exits(1, "state: others may write to it (mode 0777)", "chmod go-w "),
        Case::of("a runtime folder of somebody else", Arrangement::FolderOwner("run")).exits(
            1,
            "run: it belongs to user 65534",
            "chown 0 ",
        ),
        Case::of(
            "an address outside the prefix",
            Arrangement::replace("2001:db8:1301:740:a133:0:113:2331", "2001:db8:ffff::1"),
        )
        .exits(
            1,
            "2001:db8:ffff::1 cannot be lent: it is outside the prefix of the uplink ens3",
            "2001:db8:1301:740::/64",
        ),
        Case::of(
            "the router's address",
            Arrangement::replace("2001:db8:1301:740:a133:0:113:2331", "2001:db8:1301:740::"),
        )
        .exits(1, "subnet-router anycast", "another address"),
        Case::of(
            "the address of the administrator's SSH connection",
            Arrangement::Connection(leasable(1), 22),
        )
        .exits(
            1,
            "2001:db8:1301:740:a133:0:113:2331 cannot be lent: the SSH connection from",
            "take it out of the pool",
        ),
        Case::of("the address of another connection", Arrangement::Connection(leasable(0), 8080)).exits(
            1,
            "2001:db8:1301:740:a133:0:113:2330 cannot be lent: a connection with",
            "take it out of the pool",
        ),
        Case::of("every global address", every_address()).exits(
            1,
            "every global address of the uplink ens3",
            "at least one",
        ),
    ]
}

/// A pool of the article's addresses with these numbers.
fn pool(numbers: &[u16]) -> Arrangement {
    let listed: Vec<String> = numbers.iter().map(|number| format!("\"{}\"", leasable(*number))).collect();
    let line = format!("addresses = [{}]", listed.join(", "));
    let change = move |config: &str| {
        let replaced = config.lines().map(|each| if each.starts_with("addresses") { &line } else { each });
        replaced.collect::<Vec<_>>().join("\n")
    };
    Arrangement::Config(Box::new(change))
}

fn every_address() -> Arrangement {
    let all: Vec<String> =
        (2..16).map(leasable).chain([VPS_IPV6]).map(|address| format!("\"{address}\", ")).collect();
    Arrangement::replace("addresses = [", format!("addresses = [{}", all.concat()))
}

#[test]
fn mistakes_in_the_servers_files_are_refused_and_the_vps_is_left_alone() -> Result<()> {
    Lab::run(&Options::default(), |lab| assert_all_refused(lab, &Deployment::install(lab)?.server, &files()))
}

#[test]
fn a_vps_that_cannot_lend_is_told_so_and_left_alone() -> Result<()> {
    Lab::run(&Options::default(), |lab| assert_all_refused(lab, &Deployment::install(lab)?.server, &host()))
}

#[test]
fn a_vps_without_ipv6_is_told_so() -> Result<()> {
    let options = Options { router_advertisements: false, vps_has_ipv6: false, ..Options::default() };
    let cases = [
        Case::of("no default route", Arrangement::replace("\n\n[pool]", "\n[pool]")).exits(
            1,
            "no uplink: this host has no IPv6 default route",
            "[uplink] interface",
        ),
        Case::of(
            "an uplink without IPv6",
            Arrangement::replace("\n\n[pool]", "\n[uplink]\ninterface = \"ens3\"\n[pool]"),
        )
        .exits(1, "ens3 has no IPv6", "ip -6 addr show dev ens3"),
        Case::of(
            "an uplink that is not there",
            Arrangement::replace("\n\n[pool]", "\n[uplink]\ninterface = \"ens4\"\n[pool]"),
        )
        .exits(1, "the uplink ens4: there is no such interface", "ens3"),
    ];
    Lab::run(&options, |lab| assert_all_refused(lab, &Deployment::install(lab)?.server, &cases))
}

#[test]
fn a_second_server_touches_nothing() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        let before = Snapshot::take(&lab.vps)?;
        let second = deployment.server.run("up")?;
        let what = format!("already running (process {})", server.id());
        assert_answer(&second, "v6tun-server", 1, &what, "`down`")?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        must_reach(&lab.pc, SITE_IPV6)
    })
}

#[test]
fn status_and_down_need_no_server() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        for subcommand in ["status", "status --json"] {
            let answer = deployment.server.run(subcommand)?;
            assert_answer(&answer, "v6tun-server", 3, "not running", "v6tun-server up")?;
        }
        let down = deployment.server.run("down")?;
        ensure!(down.code == Some(0), "{down:?}");
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}

#[test]
fn a_handshake_from_an_unknown_key_is_met_by_silence_and_one_line() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        // The laptop is taken out of the server's file, and knocks all the same.
        deployment.server.write_config(&server_toml(&[leasable(0)], &[&deployment.pc]))?;
        let server = deployment.server.up()?;
        let filter = format!("udp and src host {VPS_IPV4} and src port {PORT}");
        let answers = lab.vps.spawn("tcpdump", &format!("tcpdump -n -l -i ens3 {filter}"))?;
        wait_until("tcpdump to listen", Duration::from_secs(5), || {
            Ok(answers.stderr().contains("listening on"))
        })?;

        let _client = deployment.laptop.start_up()?;
        wait_until("four handshakes", Duration::from_secs(15), || {
            Ok(deployment.server.status()?["drops"]["unknown-key"].as_u64() >= Some(4))
        })?;
        let key = deployment.laptop.public_key();
        let lines = server.stderr().lines().filter(|line| line.contains(key)).count();
        assert_eq!(lines, 1, "{}", server.stderr());
        assert_eq!(answers.stdout(), "", "the server answered");
        a_known_key_is_answered(lab, &deployment)
    })
}

/// The counterpart of silence, on the same path.
fn a_known_key_is_answered(lab: &Lab, deployment: &Deployment) -> Result<()> {
    let key = v6tun_keys::key_file::read_private_key(&deployment.pc.dir().join("private.key"))?;
    let server = v6tun_keys::PublicKey::from_base64(deployment.server.public_key())?;
    let socket = socket_in(&lab.laptop, (VPS_IPV4, PORT).into())?;
    let (_, initiation) = Handshake::start(&key, &server)?;
    socket.send(&initiation)?;
    ensure!(receive(&socket, Duration::from_secs(2))?.is_some(), "a known key is not answered");
    Ok(())
}
