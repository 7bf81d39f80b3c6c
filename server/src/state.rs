//! What the server remembers: clients that were enrolled or added, leases, invitations, last endpoints.
//!
//! [`State`] is the model, with the operations on it: pure, each either done or a [`Refusal`] that has changed
//! nothing. [`StateStore`] keeps it on the disk. What is to be acknowledged is done to a clone, saved, and only then
//! takes the old one's place:
//!
//! ```text
//! let mut next = state.clone();
//! next.remove_client(name)?;      refused: says why, nothing has changed
//! store.save(&next)?;             failed: `state` stays what holds
//! state = next;                   now it may be acknowledged
//! ```
//!
//! The clients of `server.toml` are not in here, but for the addresses that they were lent. Who adds a client, an
//! invitation or a lease looks there first for the name, the key and the address.

mod check;
mod clients;
mod file;
mod invitations;
mod refusal;
mod store;

use crate::inbound::Inbound;
use crate::renumbering::StoredPrefix;
use serde::{Deserialize, Serialize};
use std::net::{Ipv6Addr, SocketAddr};
use v6tun_keys::{InvitationId, PresharedKey, PublicKey};

pub(crate) use invitations::InvitationStatus;
pub(crate) use refusal::Refusal;
pub(crate) use store::{StateError, StateStore};

/// Clients in the state, and as many leases: as many as `server.toml` may name.
pub(crate) const MAX_CLIENTS: usize = 2000;
/// Invitations, ended ones included: each client enrolled anew every two months.
pub(crate) const MAX_INVITATIONS: usize = 1000;
/// One for each client of the state and of `server.toml`.
pub(crate) const MAX_ENDPOINTS: usize = 2 * MAX_CLIENTS;

/// All that is remembered. Times are in seconds since 1970-01-01 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct State {
    /// Of the addresses below, where they are made from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<StoredPrefix>,
    #[serde(rename = "client", skip_serializing_if = "Vec::is_empty")]
    pub(crate) clients: Vec<StoredClient>,
    /// Of the clients that stand in `server.toml`.
    #[serde(rename = "lease", skip_serializing_if = "Vec::is_empty")]
    pub(crate) leases: Vec<StoredLease>,
    #[serde(rename = "invitation", skip_serializing_if = "Vec::is_empty")]
    pub(crate) invitations: Vec<StoredInvitation>,
    #[serde(rename = "endpoint", skip_serializing_if = "Vec::is_empty")]
    pub(crate) endpoints: Vec<StoredEndpoint>,
}

/// A client that does not stand in `server.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct StoredClient {
    pub(crate) name: String,
    pub(crate) public_key: PublicKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preshared_key: Option<PresharedKey>,
    pub(crate) address: Ipv6Addr,
    /// By which it was enrolled; the invitation itself may be forgotten since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invitation: Option<InvitationId>,
    /// When it was enrolled or added.
    pub(crate) since: u64,
    #[serde(default, skip_serializing_if = "Inbound::is_open")]
    pub(crate) inbound: Inbound,
}

/// The address that a client of `server.toml` was lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct StoredLease {
    pub(crate) public_key: PublicKey,
    pub(crate) address: Ipv6Addr,
}

/// What the server keeps of an invitation: nothing by which it could be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct StoredInvitation {
    pub(crate) id: InvitationId,
    /// What its client will be called.
    pub(crate) name: String,
    /// Of the throw-away identity that is derived from its secret.
    pub(crate) public_key: PublicKey,
    pub(crate) preshared_key: PresharedKey,
    pub(crate) created: u64,
    pub(crate) expires: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<InvitationEnd>,
}

/// How an invitation ended before it expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum InvitationEnd {
    Used { by: PublicKey, at: u64 },
    Withdrawn { at: u64 },
}

/// Where a client was last heard from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct StoredEndpoint {
    pub(crate) public_key: PublicKey,
    pub(crate) endpoint: SocketAddr,
}

#[cfg(test)]
mod tests;
