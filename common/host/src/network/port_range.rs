//! TCP and UDP ports, as they are written in a configuration and in a firewall's rule.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Ports from one to another, both included; port 0 is none (RFC 6335, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// What cannot be a port, or ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ports are numbers of 1 to 65535, or two of them with a hyphen in between (\"8000-8010\")")]
pub struct PortRangeError;

impl PortRange {
    /// The ports of `first` to `last`.
    ///
    /// # Errors
    /// If there is none in between, or `first` is 0.
    pub fn new(first: u16, last: u16) -> Result<Self, PortRangeError> {
        if first == 0 || first > last { Err(PortRangeError) } else { Ok(Self { first, last }) }
    }

    /// The lowest of them.
    #[must_use]
    pub fn first(&self) -> u16 {
        self.first
    }

    /// The same ports in order, each once, neighbours joined.
    #[must_use]
    pub fn sorted(ranges: &[Self]) -> Vec<Self> {
        let mut ranges = ranges.to_vec();
        ranges.sort_unstable();
        let mut joined: Vec<Self> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.first <= last.last.saturating_add(1) => {
                    last.last = last.last.max(range.last)
                }
                _ => joined.push(range),
            }
        }
        joined
    }

    /// All other ports, in order.
    #[must_use]
    pub fn others(ranges: &[Self]) -> Vec<Self> {
        let mut others = Vec::new();
        let mut next = 1;
        for range in Self::sorted(ranges) {
            others.extend(Self::new(next, range.first.saturating_sub(1)).ok());
            match range.last.checked_add(1) {
                Some(after) => next = after,
                None => return others,
            }
        }
        others.extend(Self::new(next, u16::MAX).ok());
        others
    }

    /// As a firewall takes them: `22,8000-8010`.
    #[must_use]
    pub fn list(ranges: &[Self]) -> String {
        ranges.iter().map(Self::to_string).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.trim().parse().map_err(|_| PortRangeError);
        Self::new(port(first)?, port(last)?)
    }
}

impl TryFrom<String> for PortRange {
    type Error = PortRangeError;

    fn try_from(text: String) -> Result<Self, PortRangeError> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> Self {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(text: &str) -> Vec<PortRange> {
        text.split(',').filter(|one| !one.is_empty()).map(|one| one.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read_and_what_is_no_port_is_refused() {
        assert_eq!(PortRange::list(&ranges("22,8000-8010,65535-65535")), "22,8000-8010,65535");
        for text in ["", "0", "0-5", "9-8", "65536", "a", "1-2-3", "-5", "5-"] {
            assert_eq!(text.parse::<PortRange>(), Err(PortRangeError), "{text:?}");
        }
    }

    #[test]
    fn the_other_ports_are_all_that_are_not_named() {
        for (named, others) in [
            ("", "1-65535"),
            ("22", "1-21,23-65535"),
            ("1,65535", "2-65534"),
            ("8000-8010,22,8005-8100", "1-21,23-7999,8101-65535"),
            ("1-65535", ""),
            ("80,81,82", "1-79,83-65535"),
        ] {
            assert_eq!(PortRange::list(&PortRange::others(&ranges(named))), others, "{named}");
        }
    }

    #[test]
    fn ports_that_are_named_twice_or_side_by_side_are_one_range() {
        assert_eq!(PortRange::list(&PortRange::sorted(&ranges("82,80,81,80,1-2"))), "1-2,80-82");
    }
}
