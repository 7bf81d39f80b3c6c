//! Which IPv6 addresses the provider gives the VPS, and what comes to them.
//!
//! ```text
//!   SeventeenListed   ens3  2001:db8:1301:740:133:0:113:233/128, sixteen /64 beside it
//!   OneOnLink         ens3  2001:db8:1301:740:133:0:113:233/64
//!   RoutedPrefix      ens3  2001:db8:1301:740:133:0:113:233/64
//!                     lo    2001:db8:1301:7a0::1/64   ← the router sends the whole /64 to ens3's address
//! ```

use std::time::Duration;

use anyhow::Result;

use super::address::{LEASABLE, ROUTED_IPV6, ROUTED_PREFIX, VPS_IPV6, leasable};
use super::namespace::Namespace;

/// The shape of the host that the provider sells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VpsShape {
    /// A /128 and sixteen addresses of the on-link /64, as ConoHa gives them: the article's.
    #[default]
    SeventeenListed,
    /// One address, and the on-link /64 around it is free to be used, as with Vultr.
    OneOnLink,
    /// One address on the link, and another /64 that is routed to it, as with Linode.
    RoutedPrefix,
}

impl VpsShape {
    /// The addresses as `ip` commands; those of the list run out after `lifetime`.
    pub(super) fn addresses(self, lifetime: Option<Duration>) -> String {
        match self {
            Self::SeventeenListed => listed(lifetime),
            Self::OneOnLink => format!("address add {VPS_IPV6}/64 dev ens3\n"),
            Self::RoutedPrefix => {
                format!("address add {VPS_IPV6}/64 dev ens3\naddress add {ROUTED_IPV6}/64 dev lo\n")
            }
        }
    }

    /// What the provider's router is told besides its own prefix.
    pub(super) fn tell_router(self, provider: &Namespace) -> Result<()> {
        match self {
            Self::SeventeenListed | Self::OneOnLink => Ok(()),
            Self::RoutedPrefix => {
                provider.ip(&format!("route add {ROUTED_PREFIX} via {VPS_IPV6} dev segment"))
            }
        }
    }
}

fn listed(lifetime: Option<Duration>) -> String {
    let lifetime = lifetime.map_or_else(String::new, |lifetime| {
        let seconds = lifetime.as_secs();
        format!("valid_lft {seconds} preferred_lft {}", seconds / 2)
    });
    let one = |index| format!("address add {}/64 dev ens3 {lifetime}\n", leasable(index));
    let sixteen: String = (0..LEASABLE).map(one).collect();
    format!("address add {VPS_IPV6}/128 dev ens3\n{sixteen}")
}
