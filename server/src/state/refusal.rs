//! Why an operation on the state is refused.

use super::{MAX_CLIENTS, MAX_INVITATIONS};
use std::fmt;
use std::net::Ipv6Addr;
use v6tun_keys::{InvitationId, PublicKey};

/// Why. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no client `{name}`")]
    NoSuchClient { name: String },
    #[error("`{name}` is no client name")]
    NoName { name: String },
    #[error("the name `{name}` is taken: {holder} has it")]
    NameTaken { name: String, holder: Holder },
    #[error("the key {public_key} is known: {holder} has it")]
    KeyTaken { public_key: PublicKey, holder: Holder },
    #[error("the key {public_key} is of low order: no handshake with it can succeed")]
    LowOrderKey { public_key: PublicKey },
    #[error("the address {address} is taken: {holder} has it")]
    AddressTaken { address: Ipv6Addr, holder: Holder },
    #[error("there are {MAX_CLIENTS} clients, which is as many as can be")]
    TooManyClients,
    #[error("there are {MAX_INVITATIONS} open invitations, which is as many as can be")]
    TooManyInvitations,
    #[error("there is no invitation {id}")]
    NoSuchInvitation { id: InvitationId },
    #[error("there is an invitation {id} already")]
    IdTaken { id: InvitationId },
    #[error("the invitation {id} for `{name}` has been used already")]
    AlreadyUsed { id: InvitationId, name: String },
    #[error("the invitation {id} for `{name}` has expired")]
    Expired { id: InvitationId, name: String },
    #[error("the invitation {id} for `{name}` has been withdrawn")]
    Withdrawn { id: InvitationId, name: String },
}

impl Refusal {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoSuchClient { .. } => "`v6tun-server client list` shows them".to_owned(),
            Self::NoName { .. } => "1 to 63 of a-z, 0-9 and -, such as `desk-pc`".to_owned(),
            Self::NameTaken { name, holder: Holder::Invitation(id) } => format!(
                "`v6tun-server invitation withdraw {id}` frees the name; or choose another, such as `{name}-2`"
            ),
            Self::NameTaken { name, .. } => {
                format!("choose another, such as `{name}-2`; `v6tun-server client list` shows who has which")
            }
            Self::KeyTaken { .. } | Self::LowOrderKey { .. } => {
                "`v6tun genkey | tee key | v6tun pubkey` makes a new one on the client's machine".to_owned()
            }
            Self::AddressTaken { .. } => "`v6tun-server client list` shows who has which".to_owned(),
            Self::TooManyClients => "`v6tun-server client revoke NAME` makes room".to_owned(),
            Self::TooManyInvitations => "`v6tun-server invitation withdraw NAME` makes room".to_owned(),
            Self::NoSuchInvitation { .. } => "`v6tun-server invitation list` shows them".to_owned(),
            Self::AlreadyUsed { name, .. } | Self::Expired { name, .. } | Self::Withdrawn { name, .. } => {
                format!("`v6tun-server invite {name}` makes a new one")
            }
            Self::IdTaken { .. } => return None,
        };
        Some(hint)
    }
}

/// Who has what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A client of the state.
    Client(String),
    /// An invitation.
    Invitation(InvitationId),
    /// A client of `server.toml`, by its lease.
    Lease(PublicKey),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(name) => write!(f, "the client `{name}`"),
            Self::Invitation(id) => write!(f, "the invitation {id}"),
            Self::Lease(public_key) => write!(f, "the client {} of server.toml", public_key.short()),
        }
    }
}
