//! Why the server refuses: a number on the wire, of which newer servers may know more.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a client was given no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum RefusalReason {
    /// The server's host could not bring the address up.
    HostFailed,
    /// Never sent: the server answers handshakes and no lease request, as a stock WireGuard
    /// server does, for which the client needs `address` in its configuration.
    NoAnswer,
    /// A reason that a newer server gives.
    Other(u8),
}

impl From<u8> for RefusalReason {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::HostFailed,
            other => Self::Other(other),
        }
    }
}

impl From<RefusalReason> for u8 {
    fn from(reason: RefusalReason) -> Self {
        match reason {
            RefusalReason::NoAnswer => 0,
            RefusalReason::HostFailed => 1,
            RefusalReason::Other(code) => code,
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostFailed => f.write_str("the server's host could not bring the address up"),
            Self::NoAnswer => f.write_str("the server answers no lease request"),
            Self::Other(code) => write!(f, "the server gives reason {code}, which is not known here"),
        }
    }
}

/// Why nobody was enrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum EnrolRefusal {
    /// Another PC has used the invitation.
    AlreadyUsed,
    /// Its time is over, by the server's clock.
    Expired,
    /// The server's owner has taken it back.
    Withdrawn,
    /// The server has no address left to lend.
    PoolFull,
    /// The key is the server's own, another client's, or one that nobody can own.
    KeyRefused,
    /// The server cannot write it down.
    NotSaved,
    /// A reason that a newer server gives.
    Other(u8),
}

impl EnrolRefusal {
    const KNOWN: [Self; 6] =
        [Self::AlreadyUsed, Self::Expired, Self::Withdrawn, Self::PoolFull, Self::KeyRefused, Self::NotSaved];
}

impl From<u8> for EnrolRefusal {
    fn from(code: u8) -> Self {
        Self::KNOWN.into_iter().find(|known| u8::from(*known) == code).unwrap_or(Self::Other(code))
    }
}

impl From<EnrolRefusal> for u8 {
    fn from(reason: EnrolRefusal) -> Self {
        match reason {
            EnrolRefusal::AlreadyUsed => 1,
            EnrolRefusal::Expired => 2,
            EnrolRefusal::Withdrawn => 3,
            EnrolRefusal::PoolFull => 4,
            EnrolRefusal::KeyRefused => 5,
            EnrolRefusal::NotSaved => 6,
            EnrolRefusal::Other(code) => code,
        }
    }
}

impl fmt::Display for EnrolRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyUsed => f.write_str("the invitation is already used"),
            Self::Expired => f.write_str("the invitation has expired"),
            Self::Withdrawn => f.write_str("the invitation was withdrawn"),
            Self::PoolFull => f.write_str("the server has no address left"),
            Self::KeyRefused => f.write_str("the server refuses this key"),
            Self::NotSaved => f.write_str("the server cannot write the new client down"),
            Self::Other(code) => write!(f, "the server gives reason {code}, which is not known here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_keep_their_codes() {
        for code in 0..=u8::MAX {
            assert_eq!(u8::from(EnrolRefusal::from(code)), code);
        }
    }
}
