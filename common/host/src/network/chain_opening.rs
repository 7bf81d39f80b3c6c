//! A way through a chain of somebody else's firewall.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Two rules at the head of a chain that let all packets from and to a link through. They are known by their comment, so
/// that they are found again whatever else happens to the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainOpening {
    /// `ip6` or `inet`.
    pub family: String,
    /// The table's name.
    pub table: String,
    /// The chain's name.
    pub chain: String,
    /// The link's name.
    pub link: String,
}

impl fmt::Display for ChainOpening {
    /// What `nft -f -` takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, table, chain, link } = self;
        for direction in ["iifname", "oifname"] {
            writeln!(
                f,
                r#"insert rule {family} {table} {chain} {direction} "{link}" counter accept comment "v6tun""#
            )?;
        }
        Ok(())
    }
}
