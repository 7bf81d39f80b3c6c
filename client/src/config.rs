//! `client.toml`: as it is written ([`RawConfig`]) and as it is used ([`Config`]).
//!
//! The program writes this file when it enrols, and else reads it alone.

use std::{
    net::Ipv6Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use serde::Deserialize;
use v6tun_cli::{Failure, config_file};
use v6tun_host::tun;
use v6tun_keys::{PresharedKey, PrivateKey, PublicKey, key_file};
use v6tun_wire::{GlobalArgs, OrFail};

mod windows;

#[cfg(any(windows, test))]
pub(crate) use windows::Preference;
pub(crate) use windows::WindowsConfig;

use windows::MAX_NAME_SERVERS;

use crate::{ROLE, endpoint::Endpoint, route_plan::MIN_MTU};

/// The largest inner packet that the core takes.
const MAX_MTU: u16 = 1500;
/// Seconds: beyond an hour nothing on the way remembers the client.
const MAX_KEEPALIVE: u16 = 3600;
pub(crate) const DEFAULT_INTERFACE: &str = "v6tun0";

/// The file as it is written; paths are relative to it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RawConfig {
    pub(crate) private_key_file: PathBuf,
    address: Option<Ipv6Addr>,
    pub(crate) interface: Option<String>,
    pub(crate) mtu: Option<u16>,
    /// Seconds.
    keepalive: Option<u16>,
    #[serde(default)]
    when_down: WhenDown,
    pub(crate) server: RawServer,
    #[serde(default)]
    windows: WindowsConfig,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RawServer {
    public_key: PublicKey,
    endpoint: OneOrSeveral,
    pub(crate) preshared_key_file: Option<PathBuf>,
}

/// What becomes of the PC's way to the IPv6 Internet while the server does not answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WhenDown {
    /// It turns unreachable: programs are told at once, and take IPv4 where they can. On Windows as `Remove`.
    #[default]
    Unreachable,
    /// It goes: IPv6 of the LAN, if there is any, is used meanwhile.
    Remove,
    /// It stays: what is sent is lost, and programs wait for it.
    Keep,
}

/// `"vps.example:51820"`, or a list of these.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "\"host:port\", or a list of these")]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

impl OneOrSeveral {
    fn parse(&self) -> Result<Endpoint, String> {
        match self {
            Self::One(text) => text.parse(),
            Self::Several(texts) if texts.is_empty() => Err("the list is empty".to_owned()),
            Self::Several(texts) if texts.len() > Endpoint::MOST => {
                Err(format!("{} of them; {} at the most", texts.len(), Endpoint::MOST))
            }
            Self::Several(texts) => {
                texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Endpoint::Several)
            }
        }
    }
}

/// Where the file is, or will be.
pub(crate) fn path(global: &GlobalArgs) -> PathBuf {
    ROLE.config_file(global)
}

/// Where the file is.
///
/// # Errors
/// A usage failure with how to get one, if there is none.
pub(crate) fn existing_path(global: &GlobalArgs) -> Result<PathBuf> {
    let path = path(global);
    // Where even that may not be known, reading it will say why.
    if path.try_exists().unwrap_or(true) {
        return Ok(path);
    }
    let enrol = format!("{} makes it; `v6tun-server invite NAME` prints one", ROLE.command("up INVITATION"));
    let hint = match global.config {
        Some(_) => format!("check the path after --config; {enrol}"),
        None => enrol,
    };
    Err(Failure::usage(format!("cannot read {}: there is no such file", path.display()))
        .with_hint(hint)
        .into())
}

/// A checked `client.toml`, its keys read.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) private_key: PrivateKey,
    /// A fixed address, for a server that leases none; `None`: the server says.
    pub(crate) address: Option<Ipv6Addr>,
    /// The tun's name.
    pub(crate) interface: String,
    /// Ceiling of the tunnel's MTU, 1280 to 1500 bytes; `None`: what the way to the server allows.
    pub(crate) mtu: Option<u16>,
    /// How long the tunnel may be idle before a heartbeat, zero: for ever; `None`: as the server says.
    pub(crate) keepalive: Option<Duration>,
    pub(crate) when_down: WhenDown,
    pub(crate) server: PublicKey,
    pub(crate) endpoint: Endpoint,
    pub(crate) preshared_key: Option<PresharedKey>,
    /// What is set on Windows alone.
    pub(crate) windows: WindowsConfig,
}

impl Config {
    /// Reads and checks the file, and the key files that it names.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let raw: RawConfig = config_file::load(path)?;
        let endpoint = raw.check(path)?;
        let private_key_file = config_file::resolve(path, &raw.private_key_file);
        let private_key = key_file::read_private_key(&private_key_file).or_misconfigured()?;
        if private_key.public_key() == raw.server.public_key {
            return Err(refusal(
                path,
                "[server] public-key is this PC's own",
                "put the server's there: `v6tun pubkey < server.key` on the server",
            ));
        }
        let preshared_key_file = raw.server.preshared_key_file.map(|file| config_file::resolve(path, &file));
        let preshared_key = preshared_key_file
            .map(|file| key_file::read_preshared_key(&file).or_misconfigured())
            .transpose()?;
        Ok(Self {
            private_key,
            address: raw.address,
            interface: raw.interface.unwrap_or_else(|| DEFAULT_INTERFACE.to_owned()),
            mtu: raw.mtu,
            keepalive: raw.keepalive.map(|seconds| Duration::from_secs(seconds.into())),
            when_down: raw.when_down,
            server: raw.server.public_key,
            endpoint,
            preshared_key,
            windows: raw.windows,
        })
    }

    /// What an enrolment at this server will write, with a key that stands for the one that it will make.
    pub(crate) fn foreseen(private_key: PrivateKey, server: PublicKey, endpoint: Endpoint) -> Self {
        Self {
            private_key,
            address: None,
            interface: DEFAULT_INTERFACE.to_owned(),
            mtu: None,
            keepalive: None,
            when_down: WhenDown::default(),
            server,
            endpoint,
            preshared_key: None,
            windows: WindowsConfig::default(),
        }
    }
}

impl RawConfig {
    fn check(&self, path: &Path) -> Result<Endpoint> {
        let refuse = |what: &str, hint: &str| Err(refusal(path, what, hint));
        if let Some(name) = &self.interface {
            tun::check_name(name).or_misconfigured()?;
        }
        if self.mtu.is_some_and(|mtu| !(MIN_MTU..=MAX_MTU).contains(&mtu)) {
            return refuse("mtu is out of range", "1280 to 1500 bytes, or no line: what the way allows");
        }
        if self.keepalive.is_some_and(|seconds| seconds > MAX_KEEPALIVE) {
            return refuse(
                "keepalive is out of range",
                "seconds, 1 to 3600; 0 for none; or no line: what the server says",
            );
        }
        if let Some(address) = self.address.filter(|address| !is_usable(*address)) {
            let what = format!("address {address} cannot be this PC's");
            return refuse(&what, "the one that the server expects; no line at all if it leases them");
        }
        self.check_windows(path)?;
        if self.server.public_key.is_low_order() {
            let what = "[server] public-key: nobody can own it (a point of low order)";
            return refuse(what, "put the server's there: `v6tun pubkey < server.key` on the server");
        }
        self.server.endpoint.parse().map_err(|why| {
            refusal(
                path,
                &format!("[server] endpoint: {why}"),
                "endpoint = \"203.0.113.233:51820\", \"[2001:db8::1]:51820\" or \"vps.example:51820\"",
            )
        })
    }
}

impl RawConfig {
    fn check_windows(&self, path: &Path) -> Result<()> {
        let servers = &self.windows.dns;
        if servers.len() > MAX_NAME_SERVERS {
            let what = format!("[windows] dns names {} servers", servers.len());
            return Err(refusal(path, &what, &format!("{MAX_NAME_SERVERS} at the most")));
        }
        if let Some(server) = servers.iter().find(|server| !is_usable(**server)) {
            let what = format!("[windows] dns: {server} cannot be a name server");
            let hint = "addresses of resolvers that are reached over IPv6: dns = [\"2001:db8::53\"]";
            return Err(refusal(path, &what, hint));
        }
        Ok(())
    }
}

fn refusal(path: &Path, what: &str, hint: &str) -> anyhow::Error {
    Failure::usage(format!("{}: {what}", path.display())).with_hint(hint).into()
}

/// A unicast address that is more than link-local. Unique local ones are left to who writes them.
fn is_usable(address: Ipv6Addr) -> bool {
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address.to_ipv4_mapped().is_some())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let key = PrivateKey::from_bytes([3; 32]);
            key_file::write_new(&folder.path().join("client.key"), &key.to_base64()).unwrap();
            Self(folder)
        }

        fn load(&self, top: &str, server: &str) -> Result<Config> {
            let path = self.0.path().join("client.toml");
            let text = format!("private-key-file = \"client.key\"\n{top}\n[server]\n{server}\n");
            fs::write(&path, text).unwrap();
            Config::load(&path)
        }

        fn refusal(&self, top: &str, server: &str) -> anyhow::Error {
            self.load(top, server).expect_err("must be refused")
        }
    }

    fn server(byte: u8) -> String {
        let key = PrivateKey::from_bytes([byte; 32]).public_key();
        format!("public-key = \"{key}\"\nendpoint = \"203.0.113.233:51820\"")
    }

    #[test]
    fn the_shortest_file_has_the_documented_defaults() {
        let config = Folder::new().load("", &server(1)).unwrap();
        assert_eq!(config.interface, "v6tun0");
        assert_eq!((config.address, config.mtu), (None, None));
        assert_eq!(config.endpoint, "203.0.113.233:51820".parse().unwrap());
        assert!(config.preshared_key.is_none());
    }

    #[test]
    fn every_key_is_read_and_paths_are_relative_to_the_file() {
        let folder = Folder::new();
        let psk = PrivateKey::from_bytes([5; 32]).to_base64();
        key_file::write_new(&folder.0.path().join("pc.psk"), &psk).unwrap();
        let top = "address = \"2001:db8::2330\"\ninterface = \"six\"\nmtu = 1400";
        let config = folder.load(top, &format!("{}\npreshared-key-file = \"pc.psk\"", server(1))).unwrap();
        assert_eq!((config.interface.as_str(), config.mtu), ("six", Some(1400)));
        assert_eq!(config.address, Some("2001:db8::2330".parse().unwrap()));
        assert!(config.preshared_key.is_some());
    }

    #[test]
    fn several_endpoints_are_a_list_and_each_is_checked() {
        let folder = Folder::new();
        let with = |endpoint: &str| server(1).replace("\"203.0.113.233:51820\"", endpoint);
        assert!(with("X").contains("endpoint = X"), "{}", server(1));
        let several =
            folder.load("", &with("[\"vps.example:51820\", \"203.0.113.233:51820\"]")).unwrap().endpoint;
        assert_eq!(several.to_string(), "vps.example:51820, 203.0.113.233:51820");
        assert!(!several.is_fixed());
        for (endpoint, why) in
            [("[]", "empty"), ("[\"203.0.113.233\"]", "no port"), ("5", "or a list"), ("[5]", "or a list")]
        {
            let refusal = format!("{:#}", folder.refusal("", &with(endpoint)));
            assert!(refusal.contains(why), "{endpoint}: {refusal}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused_as_usage_and_with_a_hint() {
        let folder = Folder::new();
        let named = "public-key = \"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\"";
        let cases = [
            ("interface = \"a/b\"", server(1), "cannot make the tun device"),
            ("interface = \"far-too-long-a-name\"", server(1), "cannot make the tun device"),
            ("mtu = 1279", server(1), "mtu is out of range"),
            ("mtu = 1501", server(1), "mtu is out of range"),
            ("keepalive = 3601", server(1), "keepalive is out of range"),
            ("address = \"fe80::1\"", server(1), "cannot be this PC's"),
            ("address = \"::ffff:192.0.2.1\"", server(1), "cannot be this PC's"),
            ("", server(3), "this PC's own"),
            ("", format!("{named}\nendpoint = \"203.0.113.233\""), "endpoint: 203.0.113.233 has no port"),
        ];
        for (top, server, why) in cases {
            let error = folder.refusal(top, &server);
            assert!(error.to_string().contains(why), "{error:#}");
            let failure = error.downcast_ref::<Failure>().unwrap();
            assert!(failure.exit_code() == v6tun_cli::exit_code::USAGE && failure.hint().is_some());
        }
    }

    #[test]
    fn what_windows_alone_has_is_read_everywhere() {
        let folder = Folder::new();
        let windows = "[windows]\nprefer = \"native\"\ndns = [\"2001:db8::53\"]\ninbound.ping = false";
        let config = folder.load("", &format!("{}\n{windows}", server(1))).unwrap();
        assert_eq!(config.windows.prefer, Preference::Native);
        assert_eq!(config.windows.dns, ["2001:db8::53".parse::<Ipv6Addr>().unwrap()]);
        assert!(!config.windows.inbound.ping);
        for (windows, wanted) in [
            ("prefer = \"wifi\"", "prefer"),
            ("dns = [\"192.0.2.53\"]", "dns"),
            ("dns = [\"fe80::53\"]", "cannot be a name server"),
            ("dns = [\"::1\", \"2001:db8::1\"]", "cannot be a name server"),
            ("firewall = true", "unknown key `firewall`"),
        ] {
            let error = folder.refusal("", &format!("{}\n[windows]\n{windows}", server(1)));
            assert!(error.to_string().contains(wanted), "{windows}: {error:#}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = Folder::new().refusal("adress = \"2001:db8::1\"", &server(1));
        assert!(error.to_string().contains(":2: unknown key `adress`"), "{error}");
    }

    #[test]
    fn a_missing_key_file_is_wrong_configuration() {
        let folder = Folder::new();
        fs::remove_file(folder.0.path().join("client.key")).unwrap();
        let error = folder.refusal("", &server(1));
        let failure = error.downcast_ref::<Failure>().unwrap();
        assert_eq!(failure.exit_code(), v6tun_cli::exit_code::USAGE);
        assert!(failure.hint().unwrap().contains("v6tun genkey"), "{failure:?}");
    }
}
