//! What `init` writes and says for each shape.

use super::*;
use crate::host_shape::tests::{article, at, host, prefix};
use crate::host_shape::{HostShape, PublicIpv4};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A host of each shape.
fn hosts() -> Vec<Facts> {
    let on_link = host(vec![at("2001:db8:b::1", 64)], &["2001:db8:b::/64"]);
    let routed = Facts { routed: vec![prefix("2001:db8:d::/56")], ..on_link.clone() };
    vec![article(), on_link, routed]
}

fn proposal(facts: Facts) -> Proposal {
    Proposal::of(facts, None, Path::new("/etc/v6tun/server.toml")).unwrap()
}

fn refusal(facts: Facts) -> (String, String) {
    let error = Proposal::of(facts, None, Path::new("/etc/v6tun/server.toml")).unwrap_err();
    let failure = error.downcast_ref::<Failure>().unwrap();
    (failure.to_string(), failure.hint().unwrap().to_owned())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_written_loads_as_what_was_chosen_and_is_the_owners_alone() {
    for facts in hosts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v6tun/server.toml");
        let proposal = proposal(facts);
        write(&path, &proposal).unwrap();
        let (written, chosen) =
            (Config::load(&path).unwrap(), proposal.config(&path, PrivateKey::generate().unwrap()));
        assert_eq!((&written.pool, written.is_routed), (&chosen.pool, chosen.is_routed));
        assert_eq!(written.endpoint, chosen.endpoint);
        assert_eq!((written.listen_port, written.interface), (chosen.listen_port, chosen.interface));
        assert_eq!((mode(&path), mode(&path.with_file_name("server.key"))), (0o600, 0o600));
    }
}

#[test]
fn the_lines_that_are_commented_out_load_too() {
    for facts in hosts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        write(&path, &proposal(facts)).unwrap();
        let is_setting =
            |line: &str| line.starts_with('#') && !line.starts_with("# ") && !line.contains("psk");
        let text = fs::read_to_string(&path).unwrap();
        let key = PrivateKey::from_bytes([5; 32]).public_key().to_string();
        let lines = text.lines().map(|line| if is_setting(line) { &line[1..] } else { line });
        fs::write(&path, lines.collect::<Vec<_>>().join("\n").replace('…', &key)).unwrap();
        let config = Config::load(&path).unwrap();
        assert_eq!((config.clients.len(), config.uplink.as_deref()), (1, Some("ens3")));
    }
}

#[test]
fn a_key_that_is_there_is_kept_and_a_bad_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, key_path) = (folder.path().join("server.toml"), folder.path().join("server.key"));
    let key = PrivateKey::from_bytes([3; 32]);
    key_file::write_new(&key_path, &key.to_base64()).unwrap();
    write(&path, &proposal(article())).unwrap();
    assert_eq!(Config::load(&path).unwrap().private_key.public_key(), key.public_key());
    fs::remove_file(&path).unwrap();
    fs::write(&key_path, "no key").unwrap();
    assert!(write(&path, &proposal(article())).is_err());
    assert!(!path.exists());
}

#[test]
fn what_was_found_and_chosen_is_told() {
    let report = proposal(article()).report();
    for line in [
        "uplink       ens3, router fe80::1, route set statically",
        "public IPv4  203.0.113.233",
        "IPv6         17 addresses listed on ens3",
        "endpoint     203.0.113.233:51820",
        "pool         16 addresses, 2001:db8:1301:740:a133:0:113:2330 first and 2001:db8:1301:740:133:0:113:233 last",
        "kept         2001:db8:1301:740:a133:0:113:233f: this host itself sends from it",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    let [_, on_link, routed] = hosts().try_into().unwrap();
    assert!(proposal(on_link).report().contains("2001:db8:b::/64 on the link of ens3"));
    assert!(proposal(routed).report().contains("2001:db8:d::/56 is routed to this host"));
}

#[test]
fn a_host_that_clients_cannot_reach_wants_an_endpoint_and_takes_one() {
    let nat = Facts { ipv4: PublicIpv4::BehindNat("10.0.0.5".parse().unwrap()), ..article() };
    let (what, hint) = refusal(nat.clone());
    assert!(what.contains("behind NAT") && what.contains("10.0.0.5"), "{what}");
    assert!(hint.contains("--endpoint HOST:PORT"), "{hint}");
    let (what, _) = refusal(Facts { ipv4: PublicIpv4::None, ..article() });
    assert!(what.contains("no way to the IPv4 Internet"), "{what}");
    let named = "vps.example:4500".parse().unwrap();
    let proposal = Proposal::of(nat, Some(&named), Path::new("server.toml")).unwrap();
    assert!(proposal.server_toml().contains("endpoint = \"vps.example:4500\""));
}

#[test]
fn an_unclear_host_is_told_what_to_write_and_where() {
    let (what, hint) = refusal(host(vec![at("2001:db8::1", 128)], &[]));
    assert!(what.contains("2001:db8::1/128"), "{what}");
    assert!(hint.contains("/etc/v6tun/server.toml") && hint.contains("addresses = "), "{hint}");
}

#[test]
fn a_dry_run_says_all_of_it_in_lines_that_a_shell_passes_over() {
    let proposal = proposal(article());
    let text = commented(&format!("{}\n{}", proposal.report(), proposal.server_toml()));
    assert!(text.lines().all(|line| line.starts_with('#')));
    assert!(matches!(proposal.shape, HostShape::Listed { .. }));
}
