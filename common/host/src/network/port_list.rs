//! Lists of ports in a configuration: `[22, "8000-8010"]`.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::PortRange;

/// Ports and ranges that may be listed. A rule's name and its list of ports are then some 1,000 characters long on
/// Windows, which takes 10,000 (MS-FASP, 2.2.37).
const MAX_RANGES: usize = 64;

/// Reads `[22, "8000-8010"]`, in order, neighbours joined: for serde's `deserialize_with`.
///
/// # Errors
/// For what is no port, and for more than 64 of them that do not touch.
pub fn deserialize_ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PortRange>, D::Error> {
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

    fn visit_u64<E: Error>(self, port: u64) -> Result<OnePort, E> {
        self.visit_str(&port.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OnePort, E> {
        text.parse().map(OnePort).map_err(|why| E::custom(format!("`{text}`: {why}")))
    }
}
