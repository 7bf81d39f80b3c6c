//! What `status` shows: the answer of the running server, as JSON (documented in `docs/status.md`) and
//! in wg(8)'s layout.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv6Addr, SocketAddr};
use v6tun_cli::humanize;
use v6tun_keys::PublicKey;
use v6tun_proto::{LeaseState, PeerStatus};
use v6tun_wire::{Figures, since_unix_seconds, unix_seconds_ago};

/// Changes when a field changes its meaning or goes; new fields do not change it.
const VERSION: u32 = 1;

/// The whole answer.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Status {
    pub(crate) version: u32,
    pub(crate) server_version: String,
    pub(crate) interface: String,
    pub(crate) public_key: PublicKey,
    pub(crate) listen_port: u16,
    pub(crate) uplink: String,
    pub(crate) clients: Vec<ClientStatus>,
    /// Dropped packets and datagrams by reason; a reason that never occurred is left out.
    pub(crate) drops: BTreeMap<String, u64>,
}

/// One client.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ClientStatus {
    pub(crate) name: String,
    pub(crate) public_key: PublicKey,
    pub(crate) address: Ipv6Addr,
    /// `unused`, `pending`, `ready` or `failed`.
    pub(crate) lease: String,
    pub(crate) endpoint: Option<SocketAddr>,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) latest_handshake: Option<u64>,
    /// Bytes of the greatest packet that the path carries, as the client has measured it.
    pub(crate) mtu: Option<u16>,
    pub(crate) rx_bytes: u64,
    pub(crate) tx_bytes: u64,
}

/// What stays the same while the server runs.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) interface: String,
    pub(crate) public_key: PublicKey,
    pub(crate) listen_port: u16,
    pub(crate) uplink: String,
}

impl Status {
    pub(crate) fn new(identity: &Identity, figures: Figures<Vec<PeerStatus>>) -> Self {
        Self {
            version: VERSION,
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            interface: identity.interface.clone(),
            public_key: identity.public_key,
            listen_port: identity.listen_port,
            uplink: identity.uplink.clone(),
            clients: figures.tunnel.into_iter().map(ClientStatus::from).collect(),
            drops: figures.drops,
        }
    }

    /// The layout of `wg show`.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!(
            "interface: {}\n  public key: {}\n  listening port: {}\n  uplink: {}\n",
            self.interface, self.public_key, self.listen_port, self.uplink
        );
        for client in &self.clients {
            client.write_text(&mut text);
        }
        if !self.drops.is_empty() {
            text.push_str("\ndropped:\n");
            for (reason, count) in &self.drops {
                let _infallible = writeln!(text, "  {reason}: {count}");
            }
        }
        text
    }
}

impl From<PeerStatus> for ClientStatus {
    fn from(peer: PeerStatus) -> Self {
        Self {
            name: peer.name,
            public_key: peer.public_key,
            address: peer.address,
            lease: lease_name(peer.lease).to_owned(),
            endpoint: peer.endpoint,
            latest_handshake: peer.latest_handshake.and_then(unix_seconds_ago),
            mtu: peer.mtu,
            rx_bytes: peer.rx_bytes,
            tx_bytes: peer.tx_bytes,
        }
    }
}

impl ClientStatus {
    fn write_text(&self, text: &mut String) {
        let _infallible = write!(text, "\npeer: {}\n  name: {}\n", self.public_key, self.name);
        if let Some(endpoint) = self.endpoint {
            let _infallible = writeln!(text, "  endpoint: {endpoint}");
        }
        let _infallible = writeln!(text, "  address: {} ({})", self.address, self.lease);
        if let Some(ago) = self.latest_handshake.and_then(since_unix_seconds) {
            let _infallible = writeln!(text, "  latest handshake: {}", humanize::ago(ago));
        }
        if let Some(mtu) = self.mtu {
            let _infallible = writeln!(text, "  mtu: {mtu} (measured)");
        }
        if self.rx_bytes + self.tx_bytes > 0 {
            let (received, sent) = (humanize::bytes(self.rx_bytes), humanize::bytes(self.tx_bytes));
            let _infallible = writeln!(text, "  transfer: {received} received, {sent} sent");
        }
    }
}

fn lease_name(lease: LeaseState) -> &'static str {
    match lease {
        LeaseState::Unused => "unused",
        LeaseState::Pending => "pending",
        LeaseState::Ready => "ready",
        LeaseState::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(client: ClientStatus) -> Status {
        Status {
            version: VERSION,
            server_version: "0.1.0".to_owned(),
            interface: "v6tun0".to_owned(),
            public_key: PublicKey::from_bytes([9; 32]),
            listen_port: 51820,
            uplink: "ens3".to_owned(),
            clients: vec![client],
            drops: BTreeMap::new(),
        }
    }

    fn silent_client() -> ClientStatus {
        ClientStatus {
            name: "pc".to_owned(),
            public_key: PublicKey::from_bytes([7; 32]),
            address: "2001:db8::2330".parse().unwrap(),
            lease: "unused".to_owned(),
            endpoint: None,
            latest_handshake: None,
            mtu: None,
            rx_bytes: 0,
            tx_bytes: 0,
        }
    }

    #[test]
    fn a_client_that_never_came_has_null_endpoint_and_handshake() {
        let json = serde_json::to_value(status(silent_client())).unwrap();
        let client = &json["clients"][0];
        assert!(client["endpoint"].is_null() && client["latest-handshake"].is_null());
        assert_eq!(client["address"], "2001:db8::2330", "without prefix length");
        assert_eq!(json["version"], 1);
    }

    #[test]
    fn the_text_shows_only_what_has_happened() {
        let silent = status(silent_client()).to_text();
        assert!(silent.contains("peer: ") && silent.contains("  name: pc\n"), "{silent}");
        assert!(!["transfer", "endpoint", "mtu"].iter().any(|part| silent.contains(part)), "{silent}");
        let spoke = ClientStatus { rx_bytes: 2048, tx_bytes: 1024, mtu: Some(1394), ..silent_client() };
        let text = status(spoke).to_text();
        assert!(
            text.contains("  mtu: 1394 (measured)\n  transfer: 2.00 KiB received, 1.00 KiB sent"),
            "{text}"
        );
    }
}
