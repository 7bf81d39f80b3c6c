//! What others may begin towards a client. By default everything, as with any public address: the PC has a firewall of
//! its own.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use v6tun_host::network::{PortRange, deserialize_ports};

/// Ports and ranges that one client may have open, of TCP and of UDP each: all of them stand in the state file.
pub(crate) const MAX_RANGES: usize = 16;

/// Whether others may begin something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Policy {
    /// Everything comes in.
    #[default]
    Allow,
    /// Only what belongs to something that the client began, echo requests, and the ports that are listed.
    Established,
}

/// What comes in to one client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Inbound {
    pub(crate) policy: Policy,
    /// Ports that are open all the same, in order.
    #[serde(default, deserialize_with = "deserialize_ports", skip_serializing_if = "Vec::is_empty")]
    pub(crate) tcp: Vec<PortRange>,
    #[serde(default, deserialize_with = "deserialize_ports", skip_serializing_if = "Vec::is_empty")]
    pub(crate) udp: Vec<PortRange>,
}

impl Inbound {
    /// # Errors
    /// For ports that are listed where everything comes in, as whoever lists them means the others to be closed; and for
    /// more than [`MAX_RANGES`].
    pub(crate) fn new(policy: Policy, tcp: &[PortRange], udp: &[PortRange]) -> Result<Self, &'static str> {
        if policy == Policy::Allow && !(tcp.is_empty() && udp.is_empty()) {
            return Err("ports are listed, and yet everything comes in");
        }
        let (tcp, udp) = (PortRange::sorted(tcp), PortRange::sorted(udp));
        if tcp.len().max(udp.len()) > MAX_RANGES {
            return Err("more than 16 ports and ranges of one protocol are listed");
        }
        Ok(Self { policy, tcp, udp })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.policy == Policy::Allow
    }
}

impl fmt::Display for Inbound {
    /// `all`; `answers`; `answers, tcp 22 8000-8010, udp 53`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_open() {
            return f.write_str("all");
        }
        f.write_str("answers")?;
        for (protocol, ports) in [("tcp", &self.tcp), ("udp", &self.udp)] {
            if !ports.is_empty() {
                let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
                write!(f, ", {protocol} {}", ports.join(" "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(list: &[&str]) -> Vec<PortRange> {
        list.iter().map(|ports| ports.parse().unwrap()).collect()
    }

    #[test]
    fn it_is_shown_in_a_few_words_and_stored_as_it_is_read() {
        let inbound = Inbound::new(Policy::Established, &ports(&["8000-8010", "22"]), &[]).unwrap();
        assert_eq!(inbound.to_string(), "answers, tcp 22 8000-8010");
        let stored = toml::to_string(&inbound).unwrap();
        assert_eq!(toml::from_str::<Inbound>(&stored).unwrap(), inbound);
        assert_eq!(Inbound::default().to_string(), "all");
    }

    #[test]
    fn ports_of_one_who_is_open_are_a_mistake() {
        assert!(Inbound::new(Policy::Allow, &ports(&["22"]), &[]).is_err());
        assert!(Inbound::new(Policy::Allow, &[], &[]).unwrap().is_open());
    }
}
