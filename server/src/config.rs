//! `server.toml`: as it is written ([`RawConfig`]) and as it is used ([`Config`]).
//!
//! The program reads this file and never writes it.

use anyhow::Result;
use serde::Deserialize;
use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use v6tun_cli::{Failure, config_file};
use v6tun_host::tun;
use v6tun_keys::{PresharedKey, PrivateKey, PublicKey, is_client_name, key_file};
use v6tun_proto::lease::{self, LeaseError, Wanted};
use v6tun_wire::OrFail;

/// The port that WireGuard's documentation uses.
const DEFAULT_PORT: u16 = 51820;
/// IPv6's minimum link MTU (RFC 8200, section 5): nothing smaller can carry it.
const MIN_MTU: u16 = 1280;
/// The largest inner packet that the core takes.
const MAX_MTU: u16 = 1500;
/// A client costs some 11 KiB once it has a session: together a tenth of a small VPS's memory.
const MAX_CLIENTS: usize = 2000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawConfig {
    private_key_file: PathBuf,
    listen_port: Option<u16>,
    interface: Option<String>,
    mtu: Option<u16>,
    #[serde(default)]
    uplink: RawUplink,
    #[serde(default)]
    pool: RawPool,
    #[serde(default)]
    client: Vec<RawClient>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawUplink {
    interface: Option<String>,
    #[serde(default)]
    forwarding: Forwarding,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawPool {
    #[serde(default)]
    addresses: Vec<Ipv6Addr>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawClient {
    name: String,
    public_key: PublicKey,
    address: Option<Ipv6Addr>,
    preshared_key_file: Option<PathBuf>,
}

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

/// A checked `server.toml`, its keys read.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) private_key: PrivateKey,
    /// UDP port, on all addresses of the host.
    pub(crate) listen_port: u16,
    /// The tun's name.
    pub(crate) interface: String,
    /// Ceiling of the inner MTU, bytes; `None`: what the uplink allows.
    pub(crate) mtu: Option<u16>,
    /// The uplink's name; `None`: where the IPv6 default route points.
    pub(crate) uplink: Option<String>,
    pub(crate) forwarding: Forwarding,
    pub(crate) pool: Vec<Ipv6Addr>,
    pub(crate) clients: Vec<Client>,
}

/// One `[[client]]`.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) public_key: PublicKey,
    pub(crate) preshared_key: Option<PresharedKey>,
    /// The fixed one, or the pool's next free one in the file's order.
    pub(crate) address: Ipv6Addr,
}

impl Config {
    /// Reads and checks the file, and the key files that it names.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let raw: RawConfig = config_file::load(path)?;
        raw.check(path)?;
        let addresses = raw.assign_addresses(path)?;
        let private_key = key_file::read_private_key(&config_file::resolve(path, &raw.private_key_file))
            .or_misconfigured()?;
        let own = private_key.public_key();
        let clients = raw.client.into_iter().zip(addresses);
        let clients = clients
            .map(|(client, address)| client.read_keys(path, &own, address))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            private_key,
            listen_port: raw.listen_port.unwrap_or(DEFAULT_PORT),
            interface: raw.interface.unwrap_or_else(|| "v6tun0".to_owned()),
            mtu: raw.mtu,
            uplink: raw.uplink.interface,
            forwarding: raw.uplink.forwarding,
            pool: raw.pool.addresses,
            clients,
        })
    }

    /// Every address that this file lets the server lend: the pool's and the fixed ones.
    pub(crate) fn lendable(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        let lent = self.clients.iter().map(|client| client.address);
        lent.filter(|address| !self.pool.contains(address)).chain(self.pool.iter().copied())
    }
}

impl RawConfig {
    fn check(&self, path: &Path) -> Result<()> {
        let refuse = |what: String, hint: &str| -> Result<()> {
            Err(Failure::usage(format!("{}: {what}", path.display())).with_hint(hint).into())
        };
        if let Some(name) = &self.interface {
            tun::check_name(name).or_misconfigured()?;
        }
        if self.uplink.interface.is_some() && self.uplink.interface == self.interface {
            let what = "the tunnel and the uplink have the same interface name".to_owned();
            return refuse(
                what,
                "interface names the tun that v6tun makes, [uplink] interface the network card",
            );
        }
        if self.listen_port == Some(0) {
            return refuse(
                "listen-port 0 is no port".to_owned(),
                "1 to 65535; WireGuard's usual one is 51820",
            );
        }
        if let Some(mtu) = self.mtu.filter(|mtu| !(MIN_MTU..=MAX_MTU).contains(mtu)) {
            return refuse(
                format!("mtu {mtu} is out of range"),
                "1280 to 1500 bytes, or no line: what the uplink allows",
            );
        }
        self.check_clients(path)
    }

    /// One address for each client, in the file's order.
    fn assign_addresses(&self, path: &Path) -> Result<Vec<Ipv6Addr>> {
        let fixed = self.client.iter().filter_map(|client| client.address);
        if let Some(local) = self.pool.addresses.iter().copied().chain(fixed).find(|a| !is_global_unicast(*a))
        {
            let what = format!("{}: {local} is no global unicast address", path.display());
            let hint = "lend global addresses of this VPS; Windows does not use IPv6 with any other kind";
            return Err(Failure::usage(what).with_hint(hint).into());
        }
        let clients = self.client.iter();
        let wanted: Vec<_> =
            clients.map(|client| Wanted { name: &client.name, fixed: client.address }).collect();
        lease::assign(&self.pool.addresses, &wanted).map_err(|error| {
            let hint = match error {
                LeaseError::Exhausted { .. } => {
                    "[pool] addresses needs one for each client without an address of its own"
                }
                LeaseError::FixedTwice { .. } => "an address belongs to one client",
                _ => "delete one of the two",
            };
            Failure::usage(format!("{}: {error}", path.display())).with_hint(hint).into()
        })
    }

    fn check_clients(&self, path: &Path) -> Result<()> {
        if self.client.len() > MAX_CLIENTS {
            let what = format!("{}: {} clients are too many", path.display(), self.client.len());
            let hint = format!("{MAX_CLIENTS} at the most; a second server takes the others");
            return Err(Failure::usage(what).with_hint(hint).into());
        }
        let (mut names, mut keys) = (HashSet::new(), HashSet::new());
        for client in &self.client {
            let refuse = |what: String, hint: &str| -> Result<()> {
                Err(Failure::usage(format!("{}: {what}", path.display())).with_hint(hint).into())
            };
            if !is_client_name(&client.name) {
                let what = format!("{:?} is no client name", client.name);
                return refuse(what, "1 to 63 of a-z, 0-9 and -, such as \"pc\"");
            }
            if !names.insert(&client.name) {
                return refuse(format!("two clients are named {:?}", client.name), "give each its own name");
            }
            if !keys.insert(client.public_key) {
                let what = format!("the public key of client {:?} stands twice", client.name);
                return refuse(what, "every PC makes a key pair of its own");
            }
        }
        Ok(())
    }
}

impl RawClient {
    fn read_keys(self, path: &Path, own: &PublicKey, address: Ipv6Addr) -> Result<Client> {
        let refuse = |why: &str, hint: &str| -> anyhow::Error {
            Failure::usage(format!("{}: public-key of client {:?}: {why}", path.display(), self.name))
                .with_hint(hint)
                .into()
        };
        if self.public_key == *own {
            return Err(refuse("it is this server's own", "put the PC's there: v6tun pubkey < client.key"));
        }
        let preshared_key = self
            .preshared_key_file
            .map(|file| key_file::read_preshared_key(&config_file::resolve(path, &file)))
            .transpose()
            .or_misconfigured()?;
        Ok(Client { name: self.name, public_key: self.public_key, preshared_key, address })
    }
}

/// 2000::/3, the only space from which global unicast is assigned (RFC 4291, section 2.5.4).
fn is_global_unicast(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xe000 == 0x2000
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const POOL: &str = "[pool]\naddresses = [\"2001:db8::1\", \"2001:db8::2\"]\n";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let key = PrivateKey::from_bytes([3; 32]);
            key_file::write_new(&folder.path().join("server.key"), &key.to_base64()).unwrap();
            Self(folder)
        }

        fn load(&self, text: &str) -> Result<Config> {
            let path = self.0.path().join("server.toml");
            fs::write(&path, format!("private-key-file = \"server.key\"\n{text}")).unwrap();
            Config::load(&path)
        }

        fn refusal(&self, text: &str) -> String {
            format!("{:#}", self.load(text).expect_err("must be refused"))
        }
    }

    fn client(name: &str, byte: u8, rest: &str) -> String {
        let key = PrivateKey::from_bytes([byte; 32]).public_key();
        format!("[[client]]\nname = \"{name}\"\npublic-key = \"{key}\"\n{rest}\n")
    }

    #[test]
    fn the_shortest_file_has_the_documented_defaults() {
        let config = Folder::new().load("").unwrap();
        assert_eq!((config.listen_port, config.interface.as_str()), (51820, "v6tun0"));
        assert_eq!((config.uplink, config.mtu, config.forwarding), (None, None, Forwarding::Auto));
    }

    #[test]
    fn relative_paths_are_relative_to_the_file() {
        let folder = Folder::new();
        key_file::write_new(&folder.0.path().join("pc.psk"), &PrivateKey::from_bytes([1; 32]).to_base64())
            .unwrap();
        let text = format!("{POOL}{}", client("pc", 1, "preshared-key-file = \"pc.psk\""));
        assert!(folder.load(&text).unwrap().clients[0].preshared_key.is_some());
    }

    #[test]
    fn what_stands_twice_is_refused_by_name() {
        let folder = Folder::new();
        let twice = "[pool]\naddresses = [\"2001:db8::1\", \"2001:db8::1\"]\n";
        assert!(folder.refusal(twice).contains("lists 2001:db8::1 twice"));
        let names = format!("{POOL}{}{}", client("pc", 1, ""), client("pc", 2, ""));
        assert!(folder.refusal(&names).contains("two clients are named \"pc\""));
        let keys = format!("{POOL}{}{}", client("pc", 1, ""), client("tv", 1, ""));
        assert!(folder.refusal(&keys).contains("stands twice"));
        let fixed = "address = \"2001:db8::9\"";
        let addresses = format!("{POOL}{}{}", client("pc", 1, fixed), client("tv", 2, fixed));
        assert!(folder.refusal(&addresses).contains("both have the address 2001:db8::9"));
    }

    #[test]
    fn the_servers_own_key_is_no_clients() {
        let text = format!("{POOL}{}", client("pc", 3, ""));
        assert!(Folder::new().refusal(&text).contains("this server's own"));
    }

    #[test]
    fn only_global_unicast_is_lent() {
        for address in ["fe80::1", "ff02::1", "::1", "::", "fd00::1", "::ffff:192.0.2.1"] {
            let refusal = Folder::new().refusal(&format!("[pool]\naddresses = [\"{address}\"]\n"));
            assert!(refusal.contains("no global unicast address"), "{address}: {refusal}");
        }
    }

    #[test]
    fn names_and_ranges_are_checked() {
        let folder = Folder::new();
        assert!(folder.refusal(&client("My PC", 1, "")).contains("no client name"));
        assert!(folder.refusal("interface = \"far-too-long-a-name\"").contains("cannot make the tun device"));
        assert!(folder.refusal("interface = \"a/b\"").contains("cannot make the tun device"));
        assert!(folder.refusal("mtu = 1279").contains("mtu 1279 is out of range"));
        assert!(folder.refusal("listen-port = 0").contains("no port"));
        assert!(
            folder
                .refusal("interface = \"ens3\"\n[uplink]\ninterface = \"ens3\"")
                .contains("same interface name")
        );
    }

    #[test]
    fn the_pool_and_the_fixed_addresses_are_lendable_once() {
        let text = format!(
            "{POOL}{}{}",
            client("pc", 1, "address = \"2001:db8::2\""),
            client("tv", 2, "address = \"2001:db8::7\"")
        );
        let lendable: Vec<String> =
            Folder::new().load(&text).unwrap().lendable().map(|a| a.to_string()).collect();
        assert_eq!(lendable, ["2001:db8::7", "2001:db8::1", "2001:db8::2"]);
    }
}
