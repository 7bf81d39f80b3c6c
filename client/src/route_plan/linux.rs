//! What Linux needs besides link, address and route.

use v6tun_host::network::{Requirement, SysctlKey, SysctlKeyError};

use super::Tunnel;

/// The metric of the default route through the tunnel. It must beat a default route of the LAN that leads nowhere
/// (a closed NGN, a router that advertises without a line): the kernel gives those from router advertisements
/// 1024, NetworkManager 100 and above. A lower one is left to whoever wants to beat the tunnel.
pub(super) const DEFAULT_ROUTE_METRIC: u32 = 50;

/// Settings of the tun, made before it is up. A PC that has had no IPv6 may have it switched off for new
/// interfaces; what a server sends must not configure this PC; and the tunnel's link-local addresses are not the
/// kernel's business.
const TUN_SETTINGS: [(&str, &str); 5] = [
    ("disable_ipv6", "0"),
    ("accept_ra", "0"),
    ("accept_redirects", "0"),
    ("autoconf", "0"),
    ("addr_gen_mode", "1"),
];

pub(super) fn before_link_is_up(tunnel: &Tunnel<'_>) -> Result<Vec<Requirement>, SysctlKeyError> {
    let setting = |(name, value): (&str, &str)| {
        let key = SysctlKey::ipv6_conf(tunnel.interface, name)?;
        Ok(Requirement::Sysctl { key, value: value.to_owned() })
    };
    TUN_SETTINGS.into_iter().map(setting).collect()
}

pub(super) fn before_address(_tunnel: &Tunnel<'_>) -> Vec<Requirement> {
    Vec::new()
}
