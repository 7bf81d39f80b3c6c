//! Stock WireGuard clients, with nothing but what `client export` printed.

use std::net::Ipv6Addr;

use anyhow::{Context as _, Result, ensure};
use v6tun_keys::PrivateKey;
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, Namespace, Options, VpsShape};
use v6tun_tests::product::FreshServer;
use v6tun_tests::stock_wireguard::WgQuick;
use v6tun_tests::turtle_site::DANCES;

use crate::options;
use crate::tools::must_reach;

/// The value of a line `key = value`.
fn value<'a>(configuration: &'a str, key: &str) -> Result<&'a str> {
    let mut lines = configuration.lines().filter_map(|line| line.split_once('='));
    let found = lines.find(|(name, _)| name.trim() == key);
    Ok(found.with_context(|| format!("no {key} in {configuration}"))?.1.trim())
}

/// Brings the configuration up, and expects everything of it that a v6tun client has.
fn assert_reaches(lab: &Lab, host: &Namespace, configuration: &str, address: Ipv6Addr) -> Result<WgQuick> {
    assert_eq!(value(configuration, "Address")?, format!("{address}/128"));
    assert_eq!(value(configuration, "AllowedIPs")?, "::/1, 8000::/1");
    let stock = WgQuick::up(lab, host, configuration)?;
    let page = host.output("curl -6 -sS -m 10 http://www.turtle.example/")?;
    ensure!(page.contains(DANCES) && page.contains(&address.to_string()), "{page}");
    must_reach(&lab.site, address)?;
    Ok(stock)
}

#[test]
fn a_stock_client_with_a_generated_configuration_reaches_the_site_beside_a_v6tun_client() -> Result<()> {
    for shape in [VpsShape::SeventeenListed, VpsShape::OneOnLink] {
        Lab::run(&Options::with_vps(shape), |lab| {
            let server = FreshServer::up(lab)?;
            let _connected = server.client(lab, &lab.pc)?.up_with(&server.invitation)?;
            let exported = server.installation.must("client export phone --generate")?;
            let address = server.installation.address_of("phone")?;
            let stock = assert_reaches(lab, &lab.laptop, &exported, address)?;
            must_reach(&lab.pc, address)?;
            must_reach(&lab.pc, SITE_IPV6)?;
            drop(stock);
            assert_shown_once(&server, &exported)
        })?;
    }
    Ok(())
}

/// The private key was printed, and is nowhere on the server.
fn assert_shown_once(server: &FreshServer, exported: &str) -> Result<()> {
    let private = value(exported, "PrivateKey")?;
    PrivateKey::from_base64(private)?;
    let found = server.installation.host().run(&format!(
        "grep -r -l -F -e {private} {} /etc/v6tun /proc/{}/environ",
        server.installation.dir().display(),
        server.process.id()
    ))?;
    ensure!(found.code == Some(1), "the generated key is kept: {found:?}");
    ensure!(!server.process.stderr().contains(private), "the generated key was logged");
    let again = server.installation.run("client export phone")?;
    ensure!(!again.stdout.contains(private), "it was shown twice");
    Ok(())
}

#[test]
fn a_stock_client_whose_key_was_given_needs_its_key_line_alone() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        let key = PrivateKey::generate()?;
        server.installation.must(&format!("client add router --public-key {}", key.public_key()))?;
        let exported = server.installation.must("client export router --dns 2001:db8:5::53")?;
        assert_eq!(value(&exported, "DNS")?, "2001:db8:5::53");
        ensure!(PrivateKey::from_base64(value(&exported, "PrivateKey")?).is_err(), "{exported}");
        // No resolver to be told: the DNS line goes, and the key's place is filled.
        let filled: String = exported
            .lines()
            .filter(|line| !line.starts_with("DNS"))
            .map(|line| match line.starts_with("PrivateKey") {
                true => format!("PrivateKey = {}\n", *key.to_base64()),
                false => format!("{line}\n"),
            })
            .collect();
        let address = server.installation.address_of("router")?;
        assert_reaches(lab, &lab.laptop, &filled, address).map(drop)
    })
}

#[test]
fn an_export_is_drawn_for_a_phone() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        for command in ["client export phone --generate --qr", "invite pc --qr"] {
            let drawn = server.installation.must(command)?;
            let rows = drawn.lines().filter(|line| line.contains(['█', '▀', '▄'])).count();
            ensure!(rows >= 12, "{command}: {drawn}");
        }
        Ok(())
    })
}
