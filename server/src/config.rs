//! `server.toml`: as it is written ([`raw`]) and as it is used ([`Config`]).
//!
//! The program never changes this file: where there is none, `init` writes it once.

mod raw;

use crate::endpoint::ServerEndpoint;
use crate::inbound::Inbound;
use anyhow::Result;
use raw::{RawClient, RawConfig, refusal};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use v6tun_cli::config_file;
use v6tun_keys::{PresharedKey, PrivateKey, PublicKey, key_file};
use v6tun_proto::lease::{self, LeaseError, Pool, PoolPrefix, Wanted};
use v6tun_wire::OrFail;

/// The port that WireGuard's documentation uses.
pub(crate) const DEFAULT_PORT: u16 = 51820;

/// The tun's name, if the file has no other.
pub(crate) const DEFAULT_INTERFACE: &str = "v6tun0";

/// How the kernel is told to pass packets between the uplink and the tun.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Forwarding {
    /// `force_forwarding` on the two interfaces where the kernel has it, else as `All`.
    #[default]
    Auto,
    /// `net.ipv6.conf.all.forwarding`: the whole host becomes a router.
    All,
}

/// Who tells the link's neighbours where the addresses are that are lent.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ndp {
    /// The kernel, but nobody where they are routed here.
    #[default]
    Auto,
    /// The kernel's neighbour proxy.
    Kernel,
    /// The server itself, from the addresses themselves.
    Responder,
    /// Nobody: the router knows.
    None,
}

/// What is done about chains of the host's firewall that drop what is forwarded.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Firewall {
    /// The commands that open them are printed.
    #[default]
    Print,
    /// They are opened for the tunnel while the server runs.
    Open,
}

/// A checked `server.toml`, its keys read.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file that it was read from.
    pub(crate) path: PathBuf,
    pub(crate) private_key: PrivateKey,
    /// UDP port, on all addresses of the host.
    pub(crate) listen_port: u16,
    /// The tun's name.
    pub(crate) interface: String,
    /// Ceiling of the inner MTU, bytes; `None`: what the uplink allows.
    pub(crate) mtu: Option<u16>,
    /// Where clients find this server; invitations and exported configurations need it.
    pub(crate) endpoint: Option<ServerEndpoint>,
    /// The uplink's name; `None`: where the IPv6 default route points.
    pub(crate) uplink: Option<String>,
    pub(crate) forwarding: Forwarding,
    pub(crate) firewall: Firewall,
    /// Never [`Ndp::Auto`].
    pub(crate) ndp: Ndp,
    pub(crate) pool: Pool,
    /// What the file says of the pool, where the uplink has another prefix in the place of that.
    pub(crate) configured_prefix: Option<PoolPrefix>,
    /// Whether what is lent is routed to this host, so that nobody looks for it on the uplink's link.
    pub(crate) is_routed: bool,
    pub(crate) clients: Vec<ConfiguredClient>,
}

/// The key files that the file at `path` names, as it names them.
pub(crate) fn key_files(path: &Path) -> Result<Vec<PathBuf>> {
    let raw: RawConfig = config_file::load(path)?;
    let of_clients = raw.client.into_iter().filter_map(|client| client.preshared_key_file);
    Ok(std::iter::once(raw.private_key_file).chain(of_clients).collect())
}

/// One `[[client]]`.
#[derive(Debug)]
pub(crate) struct ConfiguredClient {
    pub(crate) name: String,
    pub(crate) public_key: PublicKey,
    pub(crate) preshared_key: Option<PresharedKey>,
    /// The address that it has to get; `None`: one of the pool's.
    pub(crate) fixed: Option<Ipv6Addr>,
    pub(crate) inbound: Inbound,
}

impl Config {
    /// The shortest file's: all defaults, an empty pool and no client.
    pub(crate) fn new(path: &Path, private_key: PrivateKey) -> Self {
        Self {
            path: path.to_owned(),
            private_key,
            listen_port: DEFAULT_PORT,
            interface: DEFAULT_INTERFACE.to_owned(),
            mtu: None,
            endpoint: None,
            uplink: None,
            forwarding: Forwarding::Auto,
            firewall: Firewall::Print,
            ndp: Ndp::Kernel,
            pool: Pool::Listed(Vec::new()),
            configured_prefix: None,
            is_routed: false,
            clients: Vec::new(),
        }
    }

    /// Reads and checks the file, and the key files that it names.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let raw: RawConfig = config_file::load(path)?;
        raw.check(path)?;
        let ndp = raw.ndp();
        let private_key = key_file::read_private_key(&config_file::resolve(path, &raw.private_key_file))
            .or_misconfigured()?;
        let own = private_key.public_key();
        let clients = raw.client.into_iter().map(|client| client.read_keys(path, &own));
        let config = Self {
            listen_port: raw.listen_port.unwrap_or(DEFAULT_PORT),
            interface: raw.interface.unwrap_or_else(|| DEFAULT_INTERFACE.to_owned()),
            mtu: raw.mtu,
            endpoint: raw.endpoint,
            uplink: raw.uplink.interface,
            forwarding: raw.uplink.forwarding,
            firewall: raw.uplink.firewall,
            ndp,
            is_routed: raw.pool.routed,
            pool: raw.pool.into_pool(),
            clients: clients.collect::<Result<Vec<_>>>()?,
            ..Self::new(path, private_key)
        };
        // Whether the pool suffices depends on nothing else that is known here.
        config.assign(&config.wanted(&HashMap::new()), &HashSet::new())?;
        Ok(config)
    }

    /// What the file's clients are to be given, in its order, by what each had last.
    pub(crate) fn wanted(&self, remembered: &HashMap<PublicKey, Ipv6Addr>) -> Vec<Wanted<'_>> {
        let clients = self.clients.iter();
        clients
            .map(|client| Wanted {
                name: &client.name,
                public_key: &client.public_key,
                fixed: client.fixed,
                remembered: remembered.get(&client.public_key).copied(),
            })
            .collect()
    }

    /// One address for each of these clients, those of the file or others, in their order.
    pub(crate) fn assign(
        &self,
        wanted: &[Wanted<'_>],
        unusable: &HashSet<Ipv6Addr>,
    ) -> Result<Vec<Ipv6Addr>> {
        lease::assign(&self.pool, wanted, unusable)
            .map_err(|error| refusal(&self.path, error.to_string(), hint(&error)))
    }

    /// Every address that this file names to be lent: the pool's list and the fixed ones.
    pub(crate) fn named(&self) -> Vec<Ipv6Addr> {
        let listed = match &self.pool {
            Pool::Listed(addresses) => addresses.as_slice(),
            Pool::Derived(_) => &[],
        };
        let fixed = self.clients.iter().filter_map(|client| client.fixed);
        fixed.filter(|address| !listed.contains(address)).chain(listed.iter().copied()).collect()
    }
}

impl RawClient {
    fn read_keys(self, path: &Path, own: &PublicKey) -> Result<ConfiguredClient> {
        if self.public_key == *own {
            let what = format!("public-key of client {:?}: it is this server's own", self.name);
            return Err(refusal(path, what, "put the PC's there: v6tun pubkey < client.key"));
        }
        let inbound = self.inbound().unwrap_or_default();
        let preshared_key = self
            .preshared_key_file
            .map(|file| key_file::read_preshared_key(&config_file::resolve(path, &file)))
            .transpose()
            .or_misconfigured()?;
        let Self { name, public_key, address: fixed, .. } = self;
        Ok(ConfiguredClient { name, public_key, preshared_key, fixed, inbound })
    }
}

fn hint(error: &LeaseError) -> &'static str {
    match error {
        LeaseError::Exhausted { .. } => {
            "it needs one for each client without an address of its own: more [pool] addresses, or a shorter prefix"
        }
        LeaseError::FixedTwice { .. } => "an address belongs to one client",
        LeaseError::FixedUnusable { .. } => "give the client another address, or no line: one of the pool's",
        LeaseError::PoolPrefix(_) => {
            "write the prefix as the provider gives it: prefix = \"2001:db8:1:2::/64\""
        }
        _ => "delete one of the two",
    }
}

#[cfg(test)]
impl Config {
    pub(crate) fn for_tests() -> Self {
        Self::new(Path::new("server.toml"), PrivateKey::from_bytes([1; 32]))
    }
}

#[cfg(test)]
mod tests;
