//! What Windows needs besides link, address and route.

use v6tun_host::network::{Requirement, SysctlKeyError};

use super::Tunnel;
use crate::config::Preference;

/// What the default route adds to the metric of its interface, which decides.
pub(super) const DEFAULT_ROUTE_METRIC: u32 = 0;

/// The interface's metric where the tunnel is to win. Windows gives a default route that it learnt from a router 256
/// and adds its interface's metric, 5 to 75 where it has chosen that: so it beats a LAN that leads nowhere (a
/// closed NGN, Teredo).
const FIRST: u32 = 5;
/// The interface's metric where any other IPv6 is to win.
const LAST: u32 = 9000;

pub(super) fn before_link_is_up(_tunnel: &Tunnel<'_>) -> Result<Vec<Requirement>, SysctlKeyError> {
    Ok(Vec::new())
}

/// The firewall is closed before there is an address that something could arrive at.
pub(super) fn before_address(tunnel: &Tunnel<'_>) -> Vec<Requirement> {
    let link = tunnel.interface.to_owned();
    let metric = match tunnel.windows.prefer {
        Preference::Tunnel => FIRST,
        Preference::Native => LAST,
    };
    let rules = tunnel.windows.inbound.rules(tunnel.interface, tunnel.address);
    vec![
        Requirement::InterfaceMetric { link: link.clone(), metric },
        Requirement::NameServers { link, servers: tunnel.windows.dns.clone() },
        Requirement::FirewallRules { interface: tunnel.interface.to_owned(), rules },
    ]
}

#[cfg(test)]
mod tests {
    use v6tun_host::network::{Change, Observed, plan};

    use super::*;
    use crate::config::WindowsConfig;

    fn tunnel(windows: &WindowsConfig) -> Tunnel<'_> {
        Tunnel {
            down: None,
            interface: "v6tun0",
            address: "2001:db8::2330".parse().unwrap(),
            former: &[],
            mtu: 1440,
            around: None,
            windows,
        }
    }

    fn changes(windows: &WindowsConfig, observed: &Observed) -> Vec<Change> {
        let tunnel = tunnel(windows);
        let mut desired = before_link_is_up(&tunnel).unwrap();
        desired.extend(before_address(&tunnel));
        plan(&desired, observed)
    }

    fn metric_of(changes: &[Change]) -> Option<u32> {
        changes.iter().find_map(|change| match change {
            Change::SetInterfaceMetric { to, .. } => *to,
            _ => None,
        })
    }

    /// What Windows adds to the metric of an interface for a default route that a router advertised.
    const ADVERTISED: u32 = 256;

    #[test]
    fn the_tunnel_beats_a_router_that_leads_nowhere_or_yields_to_it_as_the_owner_prefers() {
        let mut windows = WindowsConfig::default();
        let tunnel = metric_of(&changes(&windows, &Observed::default())).unwrap() + DEFAULT_ROUTE_METRIC;
        assert!(tunnel < ADVERTISED + 5, "the fastest link that Windows knows has 5");
        windows.prefer = Preference::Native;
        let native = metric_of(&changes(&windows, &Observed::default())).unwrap() + DEFAULT_ROUTE_METRIC;
        assert!(native > ADVERTISED + 75, "the slowest has 75");
    }

    #[cfg(windows)]
    #[test]
    fn the_firewall_is_closed_before_there_is_an_address_and_the_route_comes_last() {
        let windows = WindowsConfig::default();
        let desired = tunnel(&windows).requirements().unwrap();
        let commands: Vec<_> = plan(&desired, &Observed::default()).iter().map(Change::to_string).collect();
        let order = [
            "mtu=1440",
            "metric=5",
            "block tcp",
            "block udp",
            "allow ping",
            "address=2001:db8::2330/128",
            "::/0",
        ];
        assert_eq!(commands.len(), order.len(), "{commands:?}");
        for (command, part) in commands.iter().zip(order) {
            assert!(command.starts_with("netsh ") && command.contains(part), "{part}: {command}");
        }
    }

    #[test]
    fn name_servers_are_set_only_if_configured_and_those_of_an_earlier_run_go() {
        let is_dns = |change: &&Change| matches!(change, Change::SetNameServers { .. });
        let mut windows = WindowsConfig::default();
        assert_eq!(changes(&windows, &Observed::default()).iter().find(is_dns), None);

        let mut earlier = Observed::default();
        earlier.name_servers.insert("v6tun0".to_owned(), vec!["2001:db8::53".parse().unwrap()]);
        let change = changes(&windows, &earlier).into_iter().find(|change| is_dns(&change)).unwrap();
        assert!(matches!(change, Change::SetNameServers { to, .. } if to.is_empty()));

        windows.dns = vec!["2001:db8::53".parse().unwrap()];
        assert_eq!(changes(&windows, &earlier).iter().find(is_dns), None);
    }
}
