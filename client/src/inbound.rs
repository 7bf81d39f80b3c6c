//! What may come in.

use std::net::Ipv6Addr;

use serde::Deserialize;
use v6tun_host::network::{FirewallRule, PortRange};

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Inbound {
    pub(crate) ping: bool,
    tcp: Vec<PortRange>,
    udp: Vec<PortRange>,
}

impl Inbound {
    pub(crate) fn rules(&self, _interface: &str, _address: Ipv6Addr) -> Vec<FirewallRule> {
        Vec::new()
    }
}
