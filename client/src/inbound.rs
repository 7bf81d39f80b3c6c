//! What may come in at the tunnel's address, as rules of Windows' firewall. Pure.
//!
//! A public address makes this PC's ports reachable from the whole Internet. So all TCP and UDP ports are closed that
//! the configuration does not list, whatever other programs have let in for the LAN: a rule that blocks wins over one
//! that allows (MS-FASP, 2.2.34). As it does, the ports that are blocked must be the complement of those that are listed.
//!
//! ```text
//!              listed                      not listed
//! TCP, UDP     allow                       block
//! ping         allow (ping = true)         block (ping = false)
//! ```
//!
//! What the rules leave alone:
//!
//! - *Replies.* Windows asks its inbound rules about the first packet of a flow; what belongs to a flow that this PC
//!   began passes (Windows Filtering Platform, "ALE Stateful Filtering"). Where rules change, a flow is asked about again
//!   where it was begun, so that one that went out does not meet these rules then either ("ALE Reauthorization").
//! - *ICMPv6 errors*, Packet Too Big among them. They belong to flows, and Windows asks its rules about other ICMP
//!   messages alone ("ALE Layers"); its own "Core Networking" rules let them in besides.
//! - *Other protocols.* There is no rule for all but these two. Windows lets nothing in that no rule allows.

use serde::Deserialize;
use v6tun_host::network::{PortRange, deserialize_ports};

#[cfg(any(windows, test))]
mod rules;

/// `[windows.inbound]`: each key may be left out.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Inbound {
    /// Whether this PC answers to echo requests.
    pub(crate) ping: bool,
    /// Ports that may be connected to, in order.
    #[serde(deserialize_with = "deserialize_ports")]
    tcp: Vec<PortRange>,
    /// Ports that may be sent to, in order.
    #[serde(deserialize_with = "deserialize_ports")]
    udp: Vec<PortRange>,
}

impl Default for Inbound {
    fn default() -> Self {
        Self { ping: true, tcp: Vec::new(), udp: Vec::new() }
    }
}

impl Inbound {
    /// A TCP port that may be connected to.
    pub(crate) fn first_tcp_port(&self) -> Option<u16> {
        self.tcp.first().map(PortRange::first)
    }
}

#[cfg(test)]
mod tests;
