//! A prefix that addresses are made from.

use super::derived::network_mask;
use crate::filter;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use thiserror::Error;

/// The prefix that a pool's addresses lie in. [`check`](Self::check) holds for every one that was
/// parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoolPrefix {
    /// Its first address: what lies behind the first `len` bits is zero.
    pub address: Ipv6Addr,
    /// [`MIN_LEN`](Self::MIN_LEN) to [`MAX_LEN`](Self::MAX_LEN).
    pub len: u8,
}

impl PoolPrefix {
    /// No VPS is given more than a provider's whole allocation (RFC 6177 asks for /48 and longer).
    pub const MIN_LEN: u8 = 32;
    /// Longer ones have so few addresses that they are better listed.
    pub const MAX_LEN: u8 = 120;

    /// Whether the address lies in the prefix.
    #[must_use]
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        (self.address.to_bits() ^ address.to_bits()) & network_mask(self.len) == 0
    }

    /// Whether addresses can be made from it.
    ///
    /// # Errors
    /// [`PrefixError`], what is wrong with it.
    pub fn check(&self) -> Result<(), PrefixError> {
        let Self { address, len } = *self;
        if !(Self::MIN_LEN..=Self::MAX_LEN).contains(&len) {
            return Err(PrefixError::Length { len });
        }
        let first = Ipv6Addr::from_bits(address.to_bits() & network_mask(len));
        if first != address {
            return Err(PrefixError::HostBits { address, meant: Self { address: first, len } });
        }
        if filter::refusal(address).is_some() {
            return Err(PrefixError::NotLendable { prefix: *self });
        }
        Ok(())
    }
}

/// What is wrong with a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// It does not look like one.
    #[error("{text:?} is no IPv6 prefix, such as 2001:db8:1:2::/64")]
    Malformed {
        /// What was written.
        text: String,
    },
    /// Addresses cannot be made from one of this length.
    #[error(
        "a pool's prefix is between /{min} and /{max} long, not /{len}",
        min = PoolPrefix::MIN_LEN,
        max = PoolPrefix::MAX_LEN
    )]
    Length {
        /// Its length, bits.
        len: u8,
    },
    /// It is an address in a prefix, rather than the prefix.
    #[error("{address} is an address in the prefix {meant}")]
    HostBits {
        /// What was written before the length.
        address: Ipv6Addr,
        /// The prefix that it lies in.
        meant: PoolPrefix,
    },
    /// Its addresses cannot be lent to anybody.
    #[error("{prefix} is not global unicast")]
    NotLendable {
        /// The prefix.
        prefix: PoolPrefix,
    },
}

impl fmt::Display for PoolPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

impl FromStr for PoolPrefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let prefix = read(text).ok_or_else(|| PrefixError::Malformed { text: text.to_owned() })?;
        prefix.check().map(|()| prefix)
    }
}

fn read(text: &str) -> Option<PoolPrefix> {
    let (address, len) = text.split_once('/')?;
    let is_number = len.bytes().all(|byte| byte.is_ascii_digit());
    let len = len.parse().ok().filter(|len| is_number && *len <= 128)?;
    Some(PoolPrefix { address: address.parse().ok()?, len })
}

impl From<PoolPrefix> for String {
    fn from(prefix: PoolPrefix) -> Self {
        prefix.to_string()
    }
}

impl TryFrom<String> for PoolPrefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_prints_as_it_is_written() {
        for text in ["2001:db8::/32", "2001:db8:1:2::/64", "2001:db8::ff00/120"] {
            assert_eq!(text.parse::<PoolPrefix>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "is no IPv6 prefix"),
            ("2001:db8::", "is no IPv6 prefix"),
            ("2001:db8::/+64", "is no IPv6 prefix"),
            ("2001:db8::/129", "is no IPv6 prefix"),
            ("192.0.2.0/24", "is no IPv6 prefix"),
            ("2001:db8::/31", "not /31"),
            ("2001:db8::/121", "not /121"),
            ("2001:db8::1/64", "2001:db8::1 is an address in the prefix 2001:db8::/64"),
            ("fe80::/64", "not global unicast"),
            ("ff02::/64", "not global unicast"),
        ] {
            let error = text.parse::<PoolPrefix>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_prefix_contains_its_own_addresses_only() {
        let prefix: PoolPrefix = "2001:db8:0:1::/64".parse().unwrap();
        assert!(prefix.contains("2001:db8:0:1::".parse().unwrap()));
        assert!(prefix.contains("2001:db8:0:1:ffff:ffff:ffff:ffff".parse().unwrap()));
        assert!(!prefix.contains("2001:db8:0:2::".parse().unwrap()));
    }
}
