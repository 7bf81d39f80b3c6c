//! What is chosen for a host, and how it is told.

use super::server_toml;
use crate::config::{Config, DEFAULT_PORT};
use crate::endpoint::ServerEndpoint;
use crate::host_shape::{Facts, HostShape, PublicIpv4, RouteOrigin, Unclear};
use anyhow::Result;
use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::path::Path;
use v6tun_cli::Failure;
use v6tun_keys::PrivateKey;

/// What was found, and what follows from it.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) facts: Facts,
    pub(super) shape: HostShape,
    pub(super) endpoint: ServerEndpoint,
}

impl Proposal {
    /// Chooses the pool and the endpoint; `path` is where the configuration belongs.
    pub(super) fn of(facts: Facts, endpoint: Option<&ServerEndpoint>, path: &Path) -> Result<Self> {
        let shape = HostShape::of(&facts).map_err(|unclear| undecided(unclear, path))?;
        let endpoint = match (endpoint, facts.ipv4) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, PublicIpv4::Public(address)) => ServerEndpoint::at(address),
            (None, PublicIpv4::BehindNat(address)) => {
                return Err(unreachable(&format!(
                    "this host is behind NAT: its own IPv4 address {address} is no public one"
                )));
            }
            (None, PublicIpv4::None) => {
                return Err(unreachable("this host has no way to the IPv4 Internet, by which clients come"));
            }
        };
        Ok(Self { facts, shape, endpoint })
    }

    /// The configuration that the file will hold.
    pub(super) fn config(&self, path: &Path, private_key: PrivateKey) -> Config {
        Config {
            endpoint: Some(self.endpoint.clone()),
            pool: self.shape.pool(),
            is_routed: self.shape.is_routed(),
            ..Config::new(path, private_key)
        }
    }

    /// The file.
    pub(super) fn server_toml(&self) -> String {
        server_toml::write(self)
    }

    /// What was found and chosen, in plain words.
    pub(super) fn report(&self) -> String {
        let mut text = "found\n".to_owned();
        let found = [("uplink", self.uplink()), ("public IPv4", self.ipv4()), ("IPv6", self.ipv6())];
        let chosen = [("endpoint", self.endpoint_line()), ("pool", self.pool_line())];
        write_lines(&mut text, &found);
        text.push_str("chosen\n");
        write_lines(&mut text, &chosen);
        for line in self.kept() {
            write_lines(&mut text, &[("kept", line)]);
        }
        if let Some(warning) = self.endpoint.warning() {
            write_lines(&mut text, &[("beware", warning)]);
        }
        text
    }

    fn uplink(&self) -> String {
        let link = &self.facts.uplink.link.name;
        let Some(route) = &self.facts.uplink.default_route else { return link.clone() };
        let router = route.gateway.map_or("no router".to_owned(), |gateway| format!("router {gateway}"));
        format!("{link}, {router}, route {}", RouteOrigin::of(route))
    }

    fn ipv4(&self) -> String {
        match self.facts.ipv4 {
            PublicIpv4::Public(address) => address.to_string(),
            PublicIpv4::BehindNat(address) => format!("none: {address} is behind NAT"),
            PublicIpv4::None => "none".to_owned(),
        }
    }

    fn ipv6(&self) -> String {
        let link = &self.facts.uplink.link.name;
        match &self.shape {
            HostShape::Routed { prefix } => format!("{prefix} is routed to this host"),
            HostShape::Listed { addresses, kept } => {
                format!("{} addresses listed on {link}", addresses.len() + kept.len())
            }
            HostShape::OnLink { prefix } => {
                let own = self.facts.uplink.addresses.len();
                format!("{prefix} on the link of {link}, {own} of its addresses this host's own")
            }
        }
    }

    fn endpoint_line(&self) -> String {
        format!("{}, where clients find this server by UDP", self.endpoint.with_port(DEFAULT_PORT))
    }

    fn pool_line(&self) -> String {
        match &self.shape {
            HostShape::Listed { addresses, .. } => range(addresses),
            HostShape::Routed { prefix } | HostShape::OnLink { prefix } => {
                format!("addresses made from {prefix} and each client's key")
            }
        }
    }

    fn kept(&self) -> Vec<String> {
        match &self.shape {
            HostShape::Listed { kept, .. } => {
                kept.iter().map(|kept| format!("{}: {}", kept.address, kept.why)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The first and the last of several.
fn range(addresses: &[Ipv6Addr]) -> String {
    match addresses {
        [] => "none".to_owned(),
        [one] => format!("{one}"),
        [one, other] => format!("{one} and {other}"),
        [first, .., last] if addresses.is_sorted() => {
            format!("{} addresses, {first} to {last}", addresses.len())
        }
        [first, .., last] => format!("{} addresses, {first} first and {last} last", addresses.len()),
    }
}

fn write_lines(text: &mut String, lines: &[(&str, String)]) {
    for (what, value) in lines {
        let _infallible = writeln!(text, "  {what:<13}{value}");
    }
}

fn undecided(unclear: Unclear, path: &Path) -> anyhow::Error {
    let key = path.with_file_name(super::KEY_FILE);
    let hint = format!(
        "write into {}: `private-key-file = \"{}\"`, {}; `umask 077; v6tun genkey > {}` makes the key",
        path.display(),
        super::KEY_FILE,
        unclear.lines,
        key.display()
    );
    Failure::failed(unclear.what).with_hint(hint).into()
}

fn unreachable(what: &str) -> anyhow::Error {
    let hint = format!(
        "say where clients find it: --endpoint HOST:PORT, a public address or name, whose UDP port leads to port {DEFAULT_PORT} of this host"
    );
    Failure::failed(what).with_hint(hint).into()
}
