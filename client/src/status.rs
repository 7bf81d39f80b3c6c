//! What `status` shows: the answer of the running client, as JSON (documented in `docs/status.md`) and in wg(8)'s
//! layout.

mod ask;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use v6tun_cli::humanize;
use v6tun_keys::PublicKey;
use v6tun_proto::{ClientState, ClientTunnelStatus};
use v6tun_wire::{Figures, since_unix_seconds, unix_seconds_ago};

pub(crate) use ask::run;

/// Changes when a field changes its meaning or goes; new fields do not change it.
const VERSION: u32 = 1;

/// The whole answer.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Status {
    pub(crate) version: u32,
    pub(crate) client_version: String,
    pub(crate) interface: String,
    /// This PC's.
    pub(crate) public_key: PublicKey,
    pub(crate) state: State,
    /// Null before the first lease.
    pub(crate) address: Option<Ipv6Addr>,
    /// The tun's, in bytes; null before the first lease.
    pub(crate) mtu: Option<u16>,
    pub(crate) server: ServerStatus,
    pub(crate) rx_bytes: u64,
    pub(crate) tx_bytes: u64,
    /// Dropped packets and datagrams by reason; a reason that never occurred is left out.
    pub(crate) drops: BTreeMap<String, u64>,
}

/// The server, as the client sees it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ServerStatus {
    pub(crate) public_key: PublicKey,
    pub(crate) endpoint: SocketAddr,
    /// Seconds since 1970-01-01 UTC; null before the first.
    pub(crate) latest_handshake: Option<u64>,
    /// The latest round-trip time through the tunnel in milliseconds; null before the first.
    pub(crate) rtt_ms: Option<f64>,
}

/// How far the tunnel is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// No handshake has been answered.
    Connecting,
    /// The server answers; the lease is awaited.
    Leasing,
    /// Packets pass.
    Up,
    /// The server no longer answers; it is tried again.
    Lost,
}

impl From<ClientState> for State {
    fn from(state: ClientState) -> Self {
        match state {
            ClientState::Connecting => Self::Connecting,
            ClientState::Leasing => Self::Leasing,
            ClientState::Up => Self::Up,
            ClientState::Lost => Self::Lost,
        }
    }
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Leasing => "waiting for an address",
            Self::Up => "up",
            Self::Lost => "server lost, trying again",
        }
    }
}

/// What stays the same while the client runs.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) interface: String,
    pub(crate) public_key: PublicKey,
    pub(crate) server: PublicKey,
}

impl Status {
    /// From the figures; `mtu` is the tun's.
    pub(crate) fn new(identity: &Identity, mtu: Option<u16>, figures: Figures<ClientTunnelStatus>) -> Self {
        let Figures { tunnel, drops } = figures;
        Self {
            version: VERSION,
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            interface: identity.interface.clone(),
            public_key: identity.public_key,
            state: tunnel.state.into(),
            address: tunnel.lease.map(|lease| lease.address),
            mtu,
            server: ServerStatus {
                public_key: identity.server,
                endpoint: tunnel.endpoint,
                latest_handshake: tunnel.latest_handshake.and_then(unix_seconds_ago),
                rtt_ms: tunnel.rtt.map(milliseconds),
            },
            rx_bytes: tunnel.rx_bytes,
            tx_bytes: tunnel.tx_bytes,
            drops,
        }
    }

    /// The layout of `wg show`.
    pub(crate) fn to_text(&self) -> String {
        let mut lines = Lines(String::new());
        lines.add("interface", &self.interface);
        lines.add("  public key", self.public_key);
        lines.add("  state", self.state.as_str());
        lines.add_if("  address", self.address);
        lines.add_if("  mtu", self.mtu);
        lines.0.push('\n');
        let server = &self.server;
        lines.add("peer", server.public_key);
        lines.add("  endpoint", server.endpoint);
        let handshake = server.latest_handshake.and_then(since_unix_seconds).map(humanize::ago);
        lines.add_if("  latest handshake", handshake);
        let rtt = server.rtt_ms.and_then(|rtt| Duration::try_from_secs_f64(rtt / 1e3).ok());
        lines.add_if("  round trip", rtt.map(humanize::rtt));
        if self.rx_bytes > 0 || self.tx_bytes > 0 {
            let (received, sent) = (humanize::bytes(self.rx_bytes), humanize::bytes(self.tx_bytes));
            lines.add("  transfer", format_args!("{received} received, {sent} sent"));
        }
        if !self.drops.is_empty() {
            lines.0.push_str("\ndropped:\n");
            for (reason, count) in &self.drops {
                lines.add(&format!("  {reason}"), count);
            }
        }
        lines.0
    }
}

/// Text of `name: value` lines.
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _infallible = writeln!(self.0, "{name}: {value}");
    }

    fn add_if(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

/// With one digit for each 10 µs: more is not measured.
fn milliseconds(rtt: Duration) -> f64 {
    (rtt.as_secs_f64() * 1e5).round() / 1e2
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    pub(super) fn connecting() -> Status {
        Status {
            version: VERSION,
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            interface: "v6tun0".to_owned(),
            public_key: PublicKey::from_bytes([9; 32]),
            state: State::Connecting,
            address: None,
            mtu: None,
            server: ServerStatus {
                public_key: PublicKey::from_bytes([7; 32]),
                endpoint: "203.0.113.233:51820".parse().unwrap(),
                latest_handshake: None,
                rtt_ms: None,
            },
            rx_bytes: 0,
            tx_bytes: 0,
            drops: BTreeMap::new(),
        }
    }

    fn up() -> Status {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let server =
            ServerStatus { latest_handshake: Some(now - 72), rtt_ms: Some(20.9), ..connecting().server };
        Status {
            state: State::Up,
            address: Some("2001:db8::2330".parse().unwrap()),
            mtu: Some(1440),
            server,
            rx_bytes: 2048,
            tx_bytes: 1024,
            drops: BTreeMap::from([("not-ipv6".to_owned(), 3)]),
            ..connecting()
        }
    }

    #[test]
    fn what_is_not_known_yet_is_null_in_json_and_absent_from_the_text() {
        let json = serde_json::to_value(connecting()).unwrap();
        assert_eq!((&json["version"], &json["state"]), (&1.into(), &"connecting".into()));
        assert!(json["address"].is_null() && json["mtu"].is_null());
        assert!(json["server"]["latest-handshake"].is_null() && json["server"]["rtt-ms"].is_null());
        assert_eq!((&json["rx-bytes"], &json["tx-bytes"]), (&0.into(), &0.into()));
        let text = connecting().to_text();
        for absent in ["address", "mtu", "handshake", "round trip", "transfer", "dropped"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
    }

    #[test]
    fn json_has_the_documented_names() {
        let json = serde_json::to_value(up()).unwrap();
        assert_eq!(json["address"], "2001:db8::2330", "without prefix length");
        assert_eq!(json["server"]["endpoint"], "203.0.113.233:51820");
        assert_eq!(json["server"]["rtt-ms"], 20.9);
        assert_eq!(json["drops"]["not-ipv6"], 3);
        assert_eq!(serde_json::from_value::<Status>(json).unwrap(), up());
    }

    #[test]
    fn the_text_has_the_layout_of_wg_show() {
        let text = up().to_text();
        let (own, peer) = (PublicKey::from_bytes([9; 32]), PublicKey::from_bytes([7; 32]));
        let head = format!(
            "interface: v6tun0\n  public key: {own}\n  state: up\n  address: 2001:db8::2330\n  mtu: 1440\n\npeer: {peer}\n  endpoint: 203.0.113.233:51820\n  latest handshake: 1 minute, 12 seconds ago\n"
        );
        // A second may begin between the making and the showing.
        let head_later = head.replace("12 seconds", "13 seconds");
        assert!(text.starts_with(&head) || text.starts_with(&head_later), "{text}");
        let tail = "  round trip: 20.9 ms\n  transfer: 2.00 KiB received, 1.00 KiB sent\n\ndropped:\n  not-ipv6: 3\n";
        assert!(text.ends_with(tail), "{text}");
    }

    #[test]
    fn a_round_trip_time_is_rounded_to_ten_microseconds() {
        assert_eq!(milliseconds(Duration::from_nanos(20_904_999)).to_string(), "20.9");
        assert_eq!(milliseconds(Duration::from_nanos(126_000)).to_string(), "0.13");
    }
}
