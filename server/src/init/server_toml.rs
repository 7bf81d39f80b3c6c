//! `server.toml` as it is written for the administrator to read and change.

use super::KEY_FILE;
use super::proposal::Proposal;
use crate::config::{DEFAULT_INTERFACE, DEFAULT_PORT};
use crate::host_shape::HostShape;
use std::fmt::Write as _;
use std::net::Ipv6Addr;

/// The whole file.
pub(super) fn write(proposal: &Proposal) -> String {
    let link = &proposal.facts.uplink.link.name;
    format!(
        "\
# What v6tun-server does on this host. It was written by what was found here and is yours to change;
# v6tun-server reads it when it starts and never writes it again. A line with # in front shows the default.

# This server's private key, beside this file. Its public half is what clients know this server by.
private-key-file = \"{KEY_FILE}\"

# Where clients find this server: an address or a DNS name, and a port if it is another than listen-port.
# Invitations and exported configurations carry it.
endpoint = \"{endpoint}\"

# The UDP port, on all addresses of this host. A firewall must let it in.
listen-port = {DEFAULT_PORT}

# The tunnel's interface.
#interface = \"{DEFAULT_INTERFACE}\"

# The largest packet in the tunnel, 1280 to 1500 bytes. Without this line: what the uplink allows.
#mtu = 1440

[uplink]
# The network card towards the Internet. Without this line: where the IPv6 default route points, now {link}.
#interface = \"{link}\"

# \"auto\": packets pass between the uplink and the tunnel alone, where the kernel can do that (Linux 6.17).
# \"all\": this host becomes a router for all its interfaces.
#forwarding = \"auto\"

[pool]
{pool}
# A client that is to have a certain address, or that was not invited, can be named here:
#[[client]]
#name = \"pc\"
#public-key = \"…\"          # what `v6tun pubkey` prints on the client
#address = \"{example}\"
#preshared-key-file = \"pc.psk\"
",
        endpoint = proposal.endpoint,
        pool = pool(&proposal.shape, link),
        example = example(&proposal.shape),
    )
}

fn pool(shape: &HostShape, link: &str) -> String {
    match shape {
        HostShape::Listed { addresses, kept } => {
            let mut text = format!(
                "# The addresses that are lent, the first free one first. While one is lent it is taken off {link}.\n"
            );
            for kept in kept {
                let _infallible = writeln!(text, "# Not {}: {}.", kept.address, kept.why);
            }
            text.push_str("addresses = [\n");
            for address in addresses {
                let _infallible = writeln!(text, "    \"{address}\",");
            }
            text + "]\n"
        }
        HostShape::OnLink { prefix } => format!(
            "\
# The prefix on the link of {link}. Each client gets an address of it that is made from its key, so that it is
# always the same; addresses that this host or a neighbour has are passed over.
prefix = \"{prefix}\"

# Whether the provider routes this prefix to this host, so that no neighbour looks for its addresses.
#routed = false
"
        ),
        HostShape::Routed { prefix } => format!(
            "\
# The prefix that is routed to this host. Each client gets an address of it that is made from its key, so that
# it is always the same; addresses that this host has are passed over.
prefix = \"{prefix}\"

# The provider routes it here: no neighbour looks for its addresses.
routed = true
"
        ),
    }
}

/// An address that could be lent.
fn example(shape: &HostShape) -> Ipv6Addr {
    match shape {
        HostShape::Listed { addresses, .. } => addresses.first().copied().unwrap_or(Ipv6Addr::UNSPECIFIED),
        HostShape::OnLink { prefix } | HostShape::Routed { prefix } => {
            Ipv6Addr::from_bits(prefix.address.to_bits() | 0x12)
        }
    }
}
