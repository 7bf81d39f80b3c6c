//! `<state-dir>/client-state.toml`: what the client remembers of its last connection.
//!
//! Only what has worked is remembered: the file is written when the server has proved itself where it was asked.
//! What is remembered decides nothing, the server does. So a file that is missing or damaged costs a hint of where
//! the server was, and no more; the next connection writes it anew.

use std::{
    fmt::Write as _,
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use tracing::{debug, warn};
use v6tun_cli::config_file;
use v6tun_host::durable_file;
use v6tun_keys::PublicKey;
use v6tun_wire::GlobalArgs;

use crate::config::Config;

const NAME: &str = "client-state.toml";
const HEAD: &str = "# What v6tun-client remembers of its last connection. It may be deleted.\n";

/// The last connection.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LastConnection {
    /// The server's key: what is known of another says nothing.
    server: PublicKey,
    /// The server's endpoint as the configuration had it then.
    configured_endpoint: String,
    /// Where the server was.
    pub(crate) endpoint: SocketAddr,
    /// What this PC held.
    pub(crate) address: Ipv6Addr,
    /// The tunnel's MTU in bytes.
    pub(crate) mtu: u16,
    /// When this was learnt, in seconds since 1970-01-01 UTC by this PC's clock; for people alone.
    when: u64,
}

/// The file, and what it says.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    last: Option<LastConnection>,
}

impl StateFile {
    /// Its path.
    pub(crate) fn path(global: &GlobalArgs) -> PathBuf {
        global.state_dir.join(NAME)
    }

    /// Reads what is known of the configuration's server.
    pub(crate) fn read(path: PathBuf, config: &Config) -> Self {
        let last = match config_file::load::<LastConnection>(&path) {
            Ok(last) => Some(last),
            Err(error) => {
                debug!("no last connection is known: {error:#}");
                None
            }
        };
        Self { path, last: last.filter(|last| last.server == config.server) }
    }

    /// What this PC held last.
    pub(crate) fn address(&self) -> Option<Ipv6Addr> {
        self.last.as_ref().map(|last| last.address)
    }

    /// Where the server was last, if the configuration still names the same endpoint.
    pub(crate) fn endpoint(&self, config: &Config) -> Option<SocketAddr> {
        let named = config.endpoint.to_string();
        self.last.as_ref().filter(|last| last.configured_endpoint == named).map(|last| last.endpoint)
    }

    /// Remembers a connection, where it differs from the last one. A failure is logged: it disturbs no connection.
    pub(crate) fn remember(&mut self, config: &Config, endpoint: SocketAddr, address: Ipv6Addr, mtu: u16) {
        let mut new = LastConnection {
            server: config.server,
            configured_endpoint: config.endpoint.to_string(),
            endpoint,
            address,
            mtu,
            when: 0,
        };
        if self.last.as_ref().is_some_and(|last| LastConnection { when: 0, ..last.clone() } == new) {
            return;
        }
        new.when = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if let Err(error) = durable_file::replace(&self.path, new.to_toml().as_bytes(), 0o600) {
            warn!("cannot remember this connection: {error}");
        }
        self.last = Some(new);
    }
}

impl LastConnection {
    fn to_toml(&self) -> String {
        let Self { server, configured_endpoint, endpoint, address, mtu, when } = self;
        let mut text = HEAD.to_owned();
        // None of these values has a character that TOML would want escaped. Writing to a String cannot fail.
        let _infallible = write!(
            text,
            "server = \"{server}\"\nconfigured-endpoint = \"{configured_endpoint}\"\nendpoint = \"{endpoint}\"\n\
             address = \"{address}\"\nmtu = {mtu}\nwhen = {when}\n"
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use v6tun_keys::PrivateKey;

    use super::*;

    fn config(server: u8, endpoint: &str) -> Config {
        Config {
            private_key: PrivateKey::from_bytes([3; 32]),
            address: None,
            interface: "v6tun0".to_owned(),
            mtu: None,
            keepalive: None,
            when_down: crate::config::WhenDown::default(),
            server: PrivateKey::from_bytes([server; 32]).public_key(),
            endpoint: endpoint.parse().unwrap(),
            preshared_key: None,
            windows: Default::default(),
        }
    }

    fn address() -> Ipv6Addr {
        "2001:db8::2330".parse().unwrap()
    }

    fn endpoint() -> SocketAddr {
        "203.0.113.233:51820".parse().unwrap()
    }

    #[test]
    fn a_connection_is_remembered_for_its_server_and_its_endpoint_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let named = config(1, "vps.example:51820");
        StateFile::read(path.clone(), &named).remember(&named, endpoint(), address(), 1440);

        let again = StateFile::read(path.clone(), &named);
        assert_eq!((again.address(), again.endpoint(&named)), (Some(address()), Some(endpoint())));
        let renamed = config(1, "other.example:51820");
        let file = StateFile::read(path.clone(), &renamed);
        assert_eq!((file.address(), file.endpoint(&renamed)), (Some(address()), None));
        let other = config(2, "vps.example:51820");
        assert_eq!(StateFile::read(path, &other).address(), None);
    }

    #[test]
    fn what_is_damaged_is_ignored_and_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let config = config(1, "vps.example:51820");
        for damaged in ["", "server = \"", "mtu = 70000\n", "\0\u{1}"] {
            fs::write(&path, damaged).unwrap();
            let mut file = StateFile::read(path.clone(), &config);
            assert_eq!((file.address(), file.endpoint(&config)), (None, None));
            file.remember(&config, endpoint(), address(), 1440);
            assert_eq!(StateFile::read(path.clone(), &config).address(), Some(address()));
        }
    }

    #[test]
    fn a_connection_like_the_last_one_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let config = config(1, "203.0.113.233:51820");
        let mut file = StateFile::read(path.clone(), &config);
        file.remember(&config, endpoint(), address(), 1440);
        fs::remove_file(&path).unwrap();
        file.remember(&config, endpoint(), address(), 1440);
        assert!(!path.exists());
        file.remember(&config, endpoint(), address(), 1400);
        assert!(path.exists());
    }

    #[test]
    fn a_file_that_cannot_be_written_disturbs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(1, "203.0.113.233:51820");
        let mut file = StateFile::read(folder.path().join("missing").join(NAME), &config);
        file.remember(&config, endpoint(), address(), 1440);
        assert_eq!(file.address(), Some(address()));
    }
}
