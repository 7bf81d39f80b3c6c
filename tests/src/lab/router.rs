//! What makes a namespace a router: address translation and router advertisements.

use std::fs;

use anyhow::{Context as _, Result};

use super::address::ROUTER_LINK_LOCAL;
use super::{Namespace, Options, Process};

/// Makes `router` translate all that leaves by `outside` to its own address, and pass no new connection in.
pub(super) fn masquerade(router: &Namespace, outside: &str) -> Result<()> {
    router.set_sysctls(&[("net/ipv4/ip_forward", "1")])?;
    let rules = format!(
        "table ip nat {{
             chain postrouting {{
                 type nat hook postrouting priority srcnat
                 oifname {outside} masquerade
             }}
             chain forward {{
                 type filter hook forward priority filter
                 iifname {outside} ct state new drop
             }}
         }}"
    );
    router.nft(&rules)
}

/// Starts the real radvd on the provider's side of the segment.
pub(super) fn advertise(provider: &Namespace, options: &Options) -> Result<Process> {
    // Every 3–4 s is the densest that RFC 4861 allows; a lifetime of 30 s then survives lost ones.
    let configuration = format!(
        "interface segment {{
             AdvSendAdvert on;
             MinRtrAdvInterval 3;
             MaxRtrAdvInterval 4;
             AdvDefaultLifetime {lifetime};
             AdvDefaultPreference high;
             AdvCurHopLimit 64;
             AdvRASrcAddress {{ {ROUTER_LINK_LOCAL}; }};
             prefix 2001:db8:1301:740::/64 {{ AdvOnLink on; AdvAutonomous off; }};
         }};
",
        lifetime = options.router_lifetime.as_secs()
    );
    let dir = provider.dir();
    let (file, pid_file) = (dir.join("radvd.conf"), dir.join("radvd.pid"));
    fs::write(&file, configuration).with_context(|| file.display().to_string())?;
    let command =
        format!("radvd --nodaemon --logmethod stderr -C {} -p {}", file.display(), pid_file.display());
    provider.spawn("radvd", &command).context("radvd (package radvd)")
}
