//! `[windows]` of `client.toml`: what is set on Windows alone. On Linux it is read, checked, and left.

use std::net::Ipv6Addr;

use serde::Deserialize;

use crate::inbound::Inbound;

/// Name servers that an adapter is given at the most: Windows asks no more than a few before it gives up.
pub(super) const MAX_NAME_SERVERS: usize = 8;

/// The table; each key may be left out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct WindowsConfig {
    /// Which way wins where this PC has another IPv6.
    pub(crate) prefer: Preference,
    /// Name servers that are reached through the tunnel.
    pub(crate) dns: Vec<Ipv6Addr>,
    /// What may come in at the tunnel's address.
    pub(crate) inbound: Inbound,
}

/// Which IPv6 wins.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preference {
    /// The tunnel, also over a router of the LAN that may lead nowhere.
    #[default]
    Tunnel,
    /// Whatever else this PC has.
    Native,
}
