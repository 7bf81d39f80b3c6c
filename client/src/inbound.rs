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

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use v6tun_host::network::PortRange;

#[cfg(any(windows, test))]
mod rules;

/// Ports and ranges that may be listed, of TCP and of UDP each. A rule's name and its list of ports are then some 1,000
/// characters long; Windows takes 10,000 (MS-FASP, 2.2.37).
const MAX_RANGES: usize = 64;

/// `[windows.inbound]`: each key may be left out.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Inbound {
    /// Whether this PC answers to echo requests.
    pub(crate) ping: bool,
    /// Ports that may be connected to, in order.
    #[serde(deserialize_with = "ports")]
    tcp: Vec<PortRange>,
    /// Ports that may be sent to, in order.
    #[serde(deserialize_with = "ports")]
    udp: Vec<PortRange>,
}

impl Default for Inbound {
    fn default() -> Self {
        Self { ping: true, tcp: Vec::new(), udp: Vec::new() }
    }
}

/// `[22, "8000-8010"]`.
fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PortRange>, D::Error> {
    deserializer.deserialize_seq(Ports)
}

struct Ports;

impl<'de> Visitor<'de> for Ports {
    type Value = Vec<PortRange>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of ports, as [22, \"8000-8010\"]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut ranges = Vec::new();
        while let Some(OnePort(range)) = elements.next_element()? {
            ranges.push(range);
        }
        let ranges = PortRange::sorted(&ranges);
        if ranges.len() > MAX_RANGES {
            let count = ranges.len();
            return Err(A::Error::custom(format!("{count} ports and ranges; {MAX_RANGES} at the most")));
        }
        Ok(ranges)
    }
}

/// One element of the array.
struct OnePort(PortRange);

impl<'de> Deserialize<'de> for OnePort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Element)
    }
}

struct Element;

impl Visitor<'_> for Element {
    type Value = OnePort;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port, or two with a hyphen in between (\"8000-8010\")")
    }

    fn visit_i64<E: Error>(self, port: i64) -> Result<OnePort, E> {
        self.visit_str(&port.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OnePort, E> {
        text.parse().map(OnePort).map_err(|why| E::custom(format!("`{text}`: {why}")))
    }
}

#[cfg(test)]
mod tests;
