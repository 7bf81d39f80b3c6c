//! Rules of the PC's firewall for what arrives at the tunnel's address.

use std::fmt;
use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::PortRange;

/// Begins the name of every rule of v6tun's, so that they are told apart from those of others.
pub(super) const NAME: &str = "v6tun";

/// A rule for what arrives at one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FirewallRule {
    /// The tunnel's interface, whose rules they are.
    pub interface: String,
    /// What becomes of it.
    pub action: FirewallAction,
    /// Which.
    pub traffic: Traffic,
    /// The address that it arrives at.
    pub address: Ipv6Addr,
}

/// What a rule does. A rule that blocks wins over one that allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirewallAction {
    /// Let it in.
    Allow,
    /// Drop it.
    Block,
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// ICMPv6 echo requests (RFC 4443, section 4.1).
    Echo,
    /// TCP to these ports, which are in order.
    Tcp(Vec<PortRange>),
    /// UDP to these ports, which are in order.
    Udp(Vec<PortRange>),
}

impl FirewallRule {
    /// The name that it has in the firewall: one for each content.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}{} {} to {}", Self::prefix(&self.interface), self.action, self.traffic, self.address)
    }

    /// How the names of all rules of an interface begin.
    #[must_use]
    pub fn prefix(interface: &str) -> String {
        format!("{NAME} {interface}: ")
    }
}

impl Traffic {
    /// The protocol as netsh writes it.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Echo => "icmpv6:128,any",
            Self::Tcp(_) => "tcp",
            Self::Udp(_) => "udp",
        }
    }

    /// The ports as netsh and `INetFwRule` write them, `22,8000-8010`; `None` where there are none.
    #[must_use]
    pub fn ports(&self) -> Option<String> {
        match self {
            Self::Echo => None,
            Self::Tcp(ports) | Self::Udp(ports) => Some(PortRange::list(ports)),
        }
    }
}

impl fmt::Display for FirewallAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Block => "block",
        })
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.ports()) {
            (Self::Echo, _) => f.write_str("ping"),
            (_, Some(ports)) => write!(f, "{} {ports}", self.protocol()),
            (_, None) => f.write_str(self.protocol()),
        }
    }
}
