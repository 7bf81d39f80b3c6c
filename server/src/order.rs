//! What the administrator orders, and what is answered: over the control socket, or done alone on the files where
//! no server runs.

use crate::inbound::Inbound;
use crate::state::InvitationStatus;
use crate::status::Status;
use serde::{Deserialize, Serialize};
use std::net::{Ipv6Addr, SocketAddr};
use v6tun_keys::{InvitationId, PresharedKey, PublicKey};
use v6tun_wire::Operated;

impl Operated for Status {
    type Order = Order;
    type Answer = Answer;
}

/// An order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Let whoever shows that key enrol.
    Invite(NewInvitation),
    /// List the invitations.
    Invitations,
    /// End an open invitation, by its name or id.
    Withdraw(String),
    /// Add a client by hand.
    AddClient(NewClient),
    /// List the clients.
    Clients,
    /// Tell one client, with what its configuration needs.
    Client(String),
    /// Call a client otherwise.
    Rename { old: String, new: String },
    /// End a client.
    Revoke(String),
    /// Give a client another address.
    Move { name: String, address: Ipv6Addr },
    /// Say what comes in to a client.
    Inbound { name: String, inbound: Inbound },
    /// Have a client try the UDP port from another port of its own; of a running server alone.
    TestPort,
}

/// What an order came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// To [`Order::Invite`], [`Order::Withdraw`].
    Invitation(InvitationInfo),
    Invitations(Vec<InvitationInfo>),
    /// The client, as it is after the order; as it was, if it was revoked.
    Client(ClientInfo),
    Clients(Vec<ClientInfo>),
    /// To [`Order::Client`].
    Export(ClientInfo, Option<PresharedKey>),
    /// To [`Order::TestPort`]: which client tried, and where that came from; `None`: it did not come.
    PortTest {
        by: String,
        source: Option<SocketAddr>,
    },
}

/// An invitation by what the server is to keep of it. Its secret stays with who made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct NewInvitation {
    pub(crate) id: InvitationId,
    /// What its client will be called.
    pub(crate) name: String,
    /// Of the throw-away identity.
    pub(crate) public_key: PublicKey,
    pub(crate) preshared_key: PresharedKey,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) expires: u64,
}

/// A client whose key is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct NewClient {
    pub(crate) name: String,
    pub(crate) public_key: PublicKey,
    pub(crate) preshared_key: Option<PresharedKey>,
    /// One of the pool; `None`: the next that is free.
    pub(crate) address: Option<Ipv6Addr>,
}

/// An invitation as it is listed. Times are in seconds since 1970-01-01 UTC.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct InvitationInfo {
    pub(crate) id: InvitationId,
    pub(crate) name: String,
    pub(crate) status: InvitationStatus,
    pub(crate) created: u64,
    pub(crate) expires: u64,
    /// When it was used or withdrawn.
    pub(crate) ended: Option<u64>,
}

/// A client as it is listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ClientInfo {
    pub(crate) name: String,
    pub(crate) public_key: PublicKey,
    pub(crate) address: Ipv6Addr,
    pub(crate) origin: Origin,
    /// When it was enrolled or added, seconds since 1970-01-01 UTC; not of those in `server.toml`.
    pub(crate) since: Option<u64>,
    /// Where it was last heard from.
    pub(crate) endpoint: Option<SocketAddr>,
    /// What others may begin towards it.
    pub(crate) inbound: Inbound,
}

/// How somebody became a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    /// It stands in `server.toml`.
    File,
    /// By an invitation.
    Enrolled,
    /// By `client add` or `client export --generate`.
    Added,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::File => "server.toml",
            Self::Enrolled => "enrolled",
            Self::Added => "added",
        }
    }
}
