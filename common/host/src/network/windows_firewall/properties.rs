//! A rule as `INetFwRule` has it. Windows gives some of it back in other words than it was told.

use std::net::Ipv6Addr;

use crate::network::firewall_rule::NAME;
use crate::network::{FirewallAction, FirewallRule, PortRange, Traffic};

/// What the rules of v6tun's have in common, by which the firewall's window sorts them.
pub(crate) const GROUPING: &str = NAME;

/// `NET_FW_RULE_DIR_IN`.
pub(crate) const DIRECTION_IN: i32 = 1;
/// `NET_FW_ACTION_BLOCK`.
pub(crate) const ACTION_BLOCK: i32 = 0;
/// `NET_FW_ACTION_ALLOW`.
pub(crate) const ACTION_ALLOW: i32 = 1;
/// `NET_FW_PROFILE2_ALL`.
pub(crate) const PROFILES: i32 = 0x7FFF_FFFF;
/// The profiles that there are: domain, private, public.
const KNOWN_PROFILES: i32 = 7;

/// Protocol numbers (IANA).
const TCP: i32 = 6;
const UDP: i32 = 17;
const ICMPV6: i32 = 58;

/// Echo request (RFC 4443, section 4.1), of any code.
const ECHO: &str = "128:*";

/// A rule's properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleProperties {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) grouping: String,
    pub(crate) protocol: i32,
    /// `22,8000-8010`; empty for a protocol without ports.
    pub(crate) local_ports: String,
    /// `128:*`; empty for another protocol than ICMP.
    pub(crate) icmp_types_and_codes: String,
    pub(crate) local_addresses: String,
    pub(crate) direction: i32,
    pub(crate) action: i32,
    pub(crate) profiles: i32,
    pub(crate) is_enabled: bool,
    /// Whether it lets in what came through a Teredo relay, too.
    pub(crate) has_edge_traversal: bool,
    /// Whether it is limited to programs, services, interfaces, or remote addresses and ports: none of v6tun's is.
    pub(crate) is_limited: bool,
}

impl RuleProperties {
    /// The rule as it is put there.
    pub(crate) fn of(rule: &FirewallRule) -> Self {
        let protocol = match rule.traffic {
            Traffic::Echo => ICMPV6,
            Traffic::Tcp(_) => TCP,
            Traffic::Udp(_) => UDP,
        };
        let icmp = if rule.traffic == Traffic::Echo { ECHO } else { "" };
        Self {
            name: rule.name(),
            description: description(rule),
            grouping: GROUPING.to_owned(),
            protocol,
            local_ports: rule.traffic.ports().unwrap_or_default(),
            icmp_types_and_codes: icmp.to_owned(),
            local_addresses: rule.address.to_string(),
            direction: DIRECTION_IN,
            action: match rule.action {
                FirewallAction::Allow => ACTION_ALLOW,
                FirewallAction::Block => ACTION_BLOCK,
            },
            profiles: PROFILES,
            is_enabled: true,
            has_edge_traversal: false,
            is_limited: false,
        }
    }

    /// Whether these are in force what this rule is: nobody has disabled, narrowed or widened it.
    pub(crate) fn are_of(&self, rule: &FirewallRule) -> bool {
        let wanted = Self::of(rule);
        let as_words_say = Self {
            description: wanted.description.clone(),
            local_ports: canonical_ports(&self.local_ports),
            icmp_types_and_codes: self.icmp_types_and_codes.trim().to_owned(),
            local_addresses: canonical_address(&self.local_addresses),
            profiles: if self.profiles & KNOWN_PROFILES == KNOWN_PROFILES { PROFILES } else { self.profiles },
            ..self.clone()
        };
        as_words_say == wanted
    }
}

/// Whether a rule of this name and grouping may be one of v6tun's.
pub(crate) fn is_own_name(name: &str) -> bool {
    rule_of_name(name).is_some()
}

/// Whether a list of addresses, ports or kinds of interfaces sets no limit.
pub(crate) fn is_unlimited(list: &str) -> bool {
    matches!(list.trim(), "" | "*") || list.trim().eq_ignore_ascii_case("all")
}

fn description(rule: &FirewallRule) -> String {
    let what = match rule.action {
        FirewallAction::Allow => "Lets in",
        FirewallAction::Block => "Keeps out",
    };
    let which = match rule.traffic {
        Traffic::Echo => "pings",
        Traffic::Tcp(_) => "TCP connections",
        Traffic::Udp(_) => "UDP",
    };
    format!(
        "{what} {which} to this PC's address in the tunnel {}, as [windows.inbound] in client.toml says. Made by v6tun, \
         and removed by it when the tunnel ends.",
        rule.interface
    )
}

/// The rule that has this name.
pub(crate) fn rule_of_name(name: &str) -> Option<FirewallRule> {
    let (interface, content) = name.strip_prefix(NAME)?.strip_prefix(' ')?.rsplit_once(": ")?;
    let (what, address) = content.rsplit_once(" to ")?;
    let (action, traffic) = what.split_once(' ')?;
    let rule = FirewallRule {
        interface: interface.to_owned(),
        action: match action {
            "allow" => FirewallAction::Allow,
            "block" => FirewallAction::Block,
            _ => return None,
        },
        traffic: match traffic.split_once(' ') {
            None if traffic == "ping" => Traffic::Echo,
            Some(("tcp", ports)) => Traffic::Tcp(parse_ports(ports)?),
            Some(("udp", ports)) => Traffic::Udp(parse_ports(ports)?),
            _ => return None,
        },
        address: address.parse().ok()?,
    };
    (rule.name() == name).then_some(rule)
}

fn parse_ports(list: &str) -> Option<Vec<PortRange>> {
    list.split(',').map(|range| range.trim().parse().ok()).collect()
}

/// A list of ports in order; one that cannot be read stays as it is.
fn canonical_ports(list: &str) -> String {
    parse_ports(list).map_or_else(|| list.to_owned(), |ports| PortRange::list(&PortRange::sorted(&ports)))
}

/// A single address without the length, or the second end, that Windows adds to it; anything else stays as it is.
fn canonical_address(list: &str) -> String {
    let list = list.trim();
    let single = match list.split_once('-') {
        Some((first, last)) => parse_address(first).filter(|first| parse_address(last) == Some(*first)),
        None => parse_address(list.strip_suffix("/128").unwrap_or(list)),
    };
    single.map_or_else(|| list.to_owned(), |address| address.to_string())
}

fn parse_address(text: &str) -> Option<Ipv6Addr> {
    text.trim().parse().ok()
}
