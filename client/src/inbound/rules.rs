//! What the configuration lists, as rules.

use std::net::Ipv6Addr;

use v6tun_host::network::{FirewallAction, FirewallRule, PortRange, Traffic};

use super::Inbound;

impl Inbound {
    /// The rules for an address of the tunnel's, those that block first.
    pub(crate) fn rules(&self, interface: &str, address: Ipv6Addr) -> Vec<FirewallRule> {
        use FirewallAction::{Allow, Block};
        let ping = if self.ping { Allow } else { Block };
        let wanted = [
            (Block, Traffic::Tcp(PortRange::others(&self.tcp))),
            (Block, Traffic::Udp(PortRange::others(&self.udp))),
            (Allow, Traffic::Tcp(self.tcp.clone())),
            (Allow, Traffic::Udp(self.udp.clone())),
            (ping, Traffic::Echo),
        ];
        let is_of_something = |(_, traffic): &(FirewallAction, Traffic)| match traffic {
            Traffic::Tcp(ports) | Traffic::Udp(ports) => !ports.is_empty(),
            Traffic::Echo => true,
        };
        let rule =
            |(action, traffic)| FirewallRule { interface: interface.to_owned(), action, traffic, address };
        wanted.into_iter().filter(is_of_something).map(rule).collect()
    }
}
