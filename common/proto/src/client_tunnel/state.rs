//! What a client is made from, and how it stands.

use crate::Lease;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;
use v6tun_keys::{PresharedKey, PrivateKey, PublicKey};

/// What a client is made from.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The client's key.
    pub private_key: PrivateKey,
    /// The server's key.
    pub server: PublicKey,
    /// The key shared beside the handshake's, if any.
    pub preshared_key: Option<PresharedKey>,
    /// Where the server is expected.
    pub endpoint: SocketAddr,
    /// The address, for a server that leases none; no control is then sent or understood.
    pub address: Option<Ipv6Addr>,
    /// How long the tunnel may be idle while no server has said otherwise; zero: for ever.
    pub keepalive: Duration,
    /// The same, whatever the server says.
    pub own_keepalive: Option<Duration>,
    /// The greatest inner packet in bytes that the client's own link allows; 1280 at the least.
    pub mtu_ceiling: u16,
    /// Seeds the receiver index and the jitter of tries.
    pub seed: u64,
    /// What the server is wanted for.
    pub purpose: Purpose,
}

/// What a client wants of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// An address, and packets to and from it.
    Lease,
    /// That another key becomes a client: the client is a visitor, with the key of an invitation.
    Enrol {
        /// The key.
        public_key: PublicKey,
        /// The name that is suggested: `[a-z0-9-]{1,63}`, or empty.
        name: String,
    },
    /// Nothing but a handshake, which tells that the server knows our key.
    Knock,
}

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientState {
    /// No handshake was answered yet.
    Connecting,
    /// There is a session, and no lease yet.
    Leasing,
    /// There is a lease, and the server answers.
    Up,
    /// The server does not answer any more.
    Lost,
}

impl ClientState {
    /// The state in kebab-case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Leasing => "leasing",
            Self::Up => "up",
            Self::Lost => "lost",
        }
    }
}

/// A client as `status` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTunnelStatus {
    /// How far it has come.
    pub state: ClientState,
    /// What it holds, also while the server is lost.
    pub lease: Option<Lease>,
    /// Where the server is.
    pub endpoint: SocketAddr,
    /// The time since the last handshake that was completed.
    pub latest_handshake: Option<Duration>,
    /// The last round-trip time that was measured.
    pub rtt: Option<Duration>,
    /// Bytes of outer UDP payload received and authenticated.
    pub rx_bytes: u64,
    /// Bytes of outer UDP payload sent.
    pub tx_bytes: u64,
}
