//! A change as the command of netsh that it equals.

use std::fmt;
use std::net::Ipv6Addr;

use super::{Change, iproute};
use crate::network::{FirewallRule, Route};

pub(super) fn write(change: &Change, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let ipv6 = "netsh interface ipv6";
    match change {
        Change::AddAddress { link, address } => {
            let (address, len) = (address.address, address.prefix_len);
            write!(f, "{ipv6} add address interface=\"{link}\" address={address}/{len} store=active")
        }
        Change::DeleteAddress { link, address, .. } => {
            let address = address.address;
            write!(f, "{ipv6} delete address interface=\"{link}\" address={address} store=active")
        }
        Change::SetLinkUp { link, mtu } => write!(
            f,
            "{ipv6} set interface interface=\"{link}\" mtu={mtu} dadtransmits=0 routerdiscovery=disabled \
             managedaddress=disabled otherstateful=disabled store=active"
        ),
        Change::AddRoute(route) => {
            write!(f, "{ipv6} add route ")?;
            write_route(route, f)?;
            write!(f, " metric={} store=active", route.metric)
        }
        Change::DeleteRoute(route) => {
            write!(f, "{ipv6} delete route ")?;
            write_route(route, f)?;
            write!(f, " store=active")
        }
        Change::SetInterfaceMetric { link, to, .. } => {
            write!(f, "{ipv6} set interface interface=\"{link}\" metric=")?;
            match to {
                Some(metric) => write!(f, "{metric}")?,
                None => write!(f, "automatic")?,
            }
            write!(f, " store=active")
        }
        Change::SetNameServers { link, to, .. } => write_name_servers(link, to, f),
        Change::AddFirewallRule(rule) => write_rule(rule, f),
        Change::DeleteFirewallRule(rule) => {
            write!(f, "netsh advfirewall firewall delete rule name=\"{}\" dir=in", rule.name())
        }
        change => iproute::write(change, f),
    }
}

fn write_route(route: &Route, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "prefix={}/{}", route.destination, route.prefix_len)?;
    if let Some(link) = &route.link {
        write!(f, " interface=\"{link}\"")?;
    }
    match route.gateway {
        Some(gateway) => write!(f, " nexthop={gateway}"),
        None => Ok(()),
    }
}

fn write_name_servers(link: &str, servers: &[Ipv6Addr], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let dns = "netsh interface ipv6";
    let Some((first, others)) = servers.split_first() else {
        return write!(f, "{dns} set dnsservers name=\"{link}\" source=dhcp");
    };
    write!(
        f,
        "{dns} set dnsservers name=\"{link}\" source=static address={first} register=none validate=no"
    )?;
    for server in others {
        write!(f, " && {dns} add dnsservers name=\"{link}\" address={server} validate=no")?;
    }
    Ok(())
}

fn write_rule(rule: &FirewallRule, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "netsh advfirewall firewall add rule name=\"{}\" dir=in action={} protocol={}",
        rule.name(),
        rule.action,
        rule.traffic.protocol()
    )?;
    if let Some(ports) = rule.traffic.ports() {
        write!(f, " localport={ports}")?;
    }
    write!(f, " localip={} profile=any", rule.address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{FirewallAction, InterfaceAddress, PortRange, RouteKind, Traffic};

    struct Netsh(Change);

    impl fmt::Display for Netsh {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write(&self.0, f)
        }
    }

    fn text(change: Change) -> String {
        Netsh(change).to_string()
    }

    fn address() -> Ipv6Addr {
        "2001:db8::2330".parse().unwrap()
    }

    #[test]
    fn the_adapters_own_settings_are_netsh_commands() {
        let link = "v6tun0".to_owned();
        let own = InterfaceAddress::permanent(address(), 128);
        assert_eq!(
            text(Change::AddAddress { link: link.clone(), address: own.clone() }),
            "netsh interface ipv6 add address interface=\"v6tun0\" address=2001:db8::2330/128 store=active"
        );
        assert_eq!(
            text(Change::DeleteAddress { link: link.clone(), address: own, order: vec![] }),
            "netsh interface ipv6 delete address interface=\"v6tun0\" address=2001:db8::2330 store=active"
        );
        assert_eq!(
            text(Change::SetLinkUp { link: link.clone(), mtu: 1440 }),
            "netsh interface ipv6 set interface interface=\"v6tun0\" mtu=1440 dadtransmits=0 \
             routerdiscovery=disabled managedaddress=disabled otherstateful=disabled store=active"
        );
        assert_eq!(
            text(Change::SetInterfaceMetric { link: link.clone(), from: None, to: Some(5) }),
            "netsh interface ipv6 set interface interface=\"v6tun0\" metric=5 store=active"
        );
        assert_eq!(
            text(Change::SetInterfaceMetric { link, from: Some(5), to: None }),
            "netsh interface ipv6 set interface interface=\"v6tun0\" metric=automatic store=active"
        );
    }

    #[test]
    fn a_route_is_on_link_or_by_its_gateway() {
        let default = Route {
            destination: Ipv6Addr::UNSPECIFIED,
            prefix_len: 0,
            kind: RouteKind::Unicast,
            link: Some("v6tun0".to_owned()),
            gateway: None,
            metric: 0,
            protocol: 3,
        };
        assert_eq!(
            text(Change::AddRoute(default.clone())),
            "netsh interface ipv6 add route prefix=::/0 interface=\"v6tun0\" metric=0 store=active"
        );
        let around = Route {
            link: Some("Wi-Fi 2".to_owned()),
            gateway: Some("fe80::1".parse().unwrap()),
            ..Route::to_host("2001:db8:5::1".parse().unwrap(), "")
        };
        assert_eq!(
            text(Change::DeleteRoute(around)),
            "netsh interface ipv6 delete route prefix=2001:db8:5::1/128 interface=\"Wi-Fi 2\" nexthop=fe80::1 \
             store=active"
        );
    }

    #[test]
    fn name_servers_are_set_in_order_and_taken_away_as_a_whole() {
        let servers: Vec<Ipv6Addr> = vec!["2001:db8::53".parse().unwrap(), "2001:db8::54".parse().unwrap()];
        let set = Change::SetNameServers { link: "v6tun0".to_owned(), from: vec![], to: servers };
        assert_eq!(
            text(set.clone()),
            "netsh interface ipv6 set dnsservers name=\"v6tun0\" source=static address=2001:db8::53 \
             register=none validate=no && netsh interface ipv6 add dnsservers name=\"v6tun0\" \
             address=2001:db8::54 validate=no"
        );
        assert_eq!(
            text(set.inverse().unwrap()),
            "netsh interface ipv6 set dnsservers name=\"v6tun0\" source=dhcp"
        );
    }

    #[test]
    fn a_rule_names_its_traffic_and_the_address_that_it_is_bound_to() {
        let rule = |action, traffic| FirewallRule {
            interface: "v6tun0".to_owned(),
            action,
            traffic,
            address: address(),
        };
        let echo = rule(FirewallAction::Allow, Traffic::Echo);
        assert_eq!(
            text(Change::AddFirewallRule(echo.clone())),
            "netsh advfirewall firewall add rule name=\"v6tun v6tun0: allow ping to 2001:db8::2330\" dir=in \
             action=allow protocol=icmpv6:128,any localip=2001:db8::2330 profile=any"
        );
        assert_eq!(
            text(Change::DeleteFirewallRule(echo)),
            "netsh advfirewall firewall delete rule name=\"v6tun v6tun0: allow ping to 2001:db8::2330\" dir=in"
        );
        let ports = vec![PortRange::new(1, 21).unwrap(), PortRange::new(23, 65535).unwrap()];
        assert_eq!(
            text(Change::AddFirewallRule(rule(FirewallAction::Block, Traffic::Tcp(ports)))),
            "netsh advfirewall firewall add rule name=\"v6tun v6tun0: block tcp 1-21,23-65535 to \
             2001:db8::2330\" dir=in action=block protocol=tcp localport=1-21,23-65535 \
             localip=2001:db8::2330 profile=any"
        );
    }
}
