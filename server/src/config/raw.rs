//! `server.toml` as it is written.

use super::{Firewall, Forwarding, Ndp};
use crate::endpoint::ServerEndpoint;
use crate::inbound::{Inbound, Policy};
use crate::uplink::is_global;
use anyhow::Result;
use serde::Deserialize;
use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use v6tun_cli::Failure;
use v6tun_host::network::{PortRange, deserialize_ports};
use v6tun_host::tun;
use v6tun_keys::{PublicKey, is_client_name};
use v6tun_proto::lease::{Pool, PoolPrefix};
use v6tun_wire::OrFail;

/// IPv6's minimum link MTU (RFC 8200, section 5): nothing smaller can carry it.
const MIN_MTU: u16 = 1280;
/// The largest inner packet that the core takes.
const MAX_MTU: u16 = 1500;
/// A client costs some 11 KiB once it has a session: together a tenth of a small VPS's memory.
const MAX_CLIENTS: usize = 2000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) private_key_file: PathBuf,
    pub(super) listen_port: Option<u16>,
    pub(super) interface: Option<String>,
    pub(super) mtu: Option<u16>,
    pub(super) endpoint: Option<ServerEndpoint>,
    #[serde(default)]
    pub(super) uplink: RawUplink,
    #[serde(default)]
    pub(super) pool: RawPool,
    #[serde(default)]
    pub(super) client: Vec<RawClient>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawUplink {
    pub(super) interface: Option<String>,
    #[serde(default)]
    pub(super) forwarding: Forwarding,
    #[serde(default)]
    pub(super) firewall: Firewall,
    #[serde(default)]
    ndp: Ndp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawPool {
    addresses: Option<Vec<Ipv6Addr>>,
    prefix: Option<PoolPrefix>,
    #[serde(default)]
    pub(super) routed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawClient {
    pub(super) name: String,
    pub(super) public_key: PublicKey,
    pub(super) address: Option<Ipv6Addr>,
    pub(super) preshared_key_file: Option<PathBuf>,
    #[serde(default)]
    inbound: Policy,
    #[serde(default, deserialize_with = "deserialize_ports")]
    inbound_tcp: Vec<PortRange>,
    #[serde(default, deserialize_with = "deserialize_ports")]
    inbound_udp: Vec<PortRange>,
}

impl RawClient {
    /// What comes in to it.
    pub(super) fn inbound(&self) -> Result<Inbound, &'static str> {
        Inbound::new(self.inbound, &self.inbound_tcp, &self.inbound_udp)
    }
}

impl RawConfig {
    /// Checks all that can be checked without another file. `path` is the file that it was read from.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        if let Some(name) = &self.interface {
            tun::check_name(name).or_misconfigured()?;
        }
        if let Some((what, hint)) = self.wrong_setting() {
            return Err(refusal(path, what, hint));
        }
        self.check_kinds(path)?;
        self.check_clients(path)
    }

    /// Who answers for the addresses.
    pub(super) fn ndp(&self) -> Ndp {
        match self.uplink.ndp {
            Ndp::Auto if self.pool.routed => Ndp::None,
            Ndp::Auto => Ndp::Kernel,
            chosen => chosen,
        }
    }

    fn wrong_setting(&self) -> Option<(String, &'static str)> {
        if self.uplink.interface.is_some() && self.uplink.interface == self.interface {
            let what = "the tunnel and the uplink have the same interface name".to_owned();
            let hint = "interface names the tun that v6tun makes, [uplink] interface the network card";
            return Some((what, hint));
        }
        if self.listen_port == Some(0) {
            return Some((
                "listen-port 0 is no port".to_owned(),
                "1 to 65535; WireGuard's usual one is 51820",
            ));
        }
        if let Some(mtu) = self.mtu.filter(|mtu| !(MIN_MTU..=MAX_MTU).contains(mtu)) {
            let hint = "1280 to 1500 bytes, or no line: what the uplink allows";
            return Some((format!("mtu {mtu} is out of range"), hint));
        }
        if self.pool.routed && matches!(self.uplink.ndp, Ndp::Kernel | Ndp::Responder) {
            let what =
                "[pool] routed = true, and [uplink] ndp has somebody answer for the addresses".to_owned();
            return Some((what, "delete one: nobody asks for what is routed here"));
        }
        if self.pool.addresses.is_some() && self.pool.prefix.is_some() {
            let what = "[pool] has both addresses and a prefix".to_owned();
            return Some((what, "delete one: addresses lists those to lend, from prefix they are made"));
        }
        None
    }

    /// Only global unicast addresses are of use to a client.
    fn check_kinds(&self, path: &Path) -> Result<()> {
        let listed = self.pool.addresses.iter().flatten().copied();
        let fixed = self.client.iter().filter_map(|client| client.address);
        let prefix = self.pool.prefix.map(|prefix| prefix.address);
        match listed.chain(fixed).chain(prefix).find(|address| !is_global(*address)) {
            None => Ok(()),
            Some(local) => {
                let what = format!("{local} is no global unicast address");
                let hint = "lend global addresses of this VPS; Windows does not use IPv6 with any other kind";
                Err(refusal(path, what, hint))
            }
        }
    }

    fn check_clients(&self, path: &Path) -> Result<()> {
        if self.client.len() > MAX_CLIENTS {
            let hint = format!("{MAX_CLIENTS} at the most; a second server takes the others");
            return Err(refusal(path, format!("{} clients are too many", self.client.len()), &hint));
        }
        let (mut names, mut keys) = (HashSet::new(), HashSet::new());
        for client in &self.client {
            let (name, refuse) = (&client.name, |what, hint| Err(refusal(path, what, hint)));
            if !is_client_name(name) {
                return refuse(
                    format!("{name:?} is no client name"),
                    "1 to 63 of a-z, 0-9 and -, such as \"pc\"",
                );
            }
            if let Err(why) = client.inbound() {
                return refuse(
                    format!("client {name:?}: {why}"),
                    "`inbound = \"established\"` closes the others",
                );
            }
            if !names.insert(name) {
                return refuse(format!("two clients are named {name:?}"), "give each its own name");
            }
            if !keys.insert(client.public_key) {
                let what = format!("the public key of client {name:?} stands twice");
                return refuse(what, "every PC makes a key pair of its own");
            }
        }
        Ok(())
    }
}

impl RawPool {
    /// One without any line is an empty list.
    pub(super) fn into_pool(self) -> Pool {
        match self.prefix {
            Some(prefix) => Pool::Derived(prefix),
            None => Pool::Listed(self.addresses.unwrap_or_default()),
        }
    }
}

/// What is wrong in the file, as the user reads it.
pub(super) fn refusal(path: &Path, what: String, hint: &str) -> anyhow::Error {
    Failure::usage(format!("{}: {what}", path.display())).with_hint(hint).into()
}
