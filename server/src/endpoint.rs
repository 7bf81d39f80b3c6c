//! Where clients find this server: what its owner types, and invitations carry.

use serde::Deserialize;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The longest DNS name (RFC 1035, section 2.3.4) has 253 characters; with a port it must fit into the 255
/// bytes that an invitation has for it.
const MAX_NAME_LEN: usize = 249;

/// A host, and a port unless it is the one that the server listens on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ServerEndpoint {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

impl ServerEndpoint {
    /// The host of this address, at the port that the server listens on.
    pub(crate) fn at(address: Ipv4Addr) -> Self {
        Self { host: Host::Address(address.into()), port: None }
    }

    /// `host:port`, as a client's configuration has it.
    pub(crate) fn with_port(&self, listen_port: u16) -> String {
        let port = self.port.unwrap_or(listen_port);
        match &self.host {
            Host::Address(address) => SocketAddr::new(*address, port).to_string(),
            Host::Name(name) => format!("{name}:{port}"),
        }
    }

    /// Whether it is a DNS name, whose address may change.
    pub(crate) fn is_name(&self) -> bool {
        matches!(self.host, Host::Name(_))
    }

    /// Whether only this host, or its own network, can reach it.
    pub(crate) fn is_private(&self) -> bool {
        match &self.host {
            Host::Address(IpAddr::V4(address)) => is_private(*address),
            Host::Address(IpAddr::V6(address)) => {
                address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
            }
            Host::Name(name) => name == "localhost",
        }
    }

    /// What to tell the administrator of one that [is private](Self::is_private).
    pub(crate) fn warning(&self) -> Option<String> {
        self.is_private().then(|| {
            format!(
                "the endpoint {self} is reached from this host's own network alone, not from the Internet"
            )
        })
    }
}

/// Whether the address means something in one network alone: RFC 1918, carrier-grade NAT (RFC 6598),
/// link-local (RFC 3927) and loopback. Those of documentation count as public: they stand for public ones.
pub(crate) fn is_private(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_shared = first == 100 && second & 0xc0 == 64;
    address.is_private() || is_shared || address.is_link_local() || address.is_loopback()
}

impl FromStr for ServerEndpoint {
    type Err = String;

    /// Reads `203.0.113.233`, `203.0.113.233:51820`, `2001:db8::1`, `[2001:db8::1]:51820`, `vps.example` or
    /// `vps.example:51820`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(address) = read_address(text) {
            return check_address(address).map(|host| Self { host, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(read_port(port)?)),
            None => (text, None),
        };
        let is_bracketed = host.starts_with('[');
        let host = match read_address(host).filter(|address| address.is_ipv4() || is_bracketed) {
            Some(address) => check_address(address)?,
            None if is_dns_name(host) => Host::Name(host.to_owned()),
            None => return Err(format!("{host:?} is neither an address nor a DNS name")),
        };
        Ok(Self { host, port })
    }
}

impl TryFrom<String> for ServerEndpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// An address, that of IPv6 in brackets or not.
fn read_address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse().ok().filter(IpAddr::is_ipv6),
        None => text.parse().ok(),
    }
}

fn check_address(address: IpAddr) -> Result<Host, String> {
    let address = address.to_canonical();
    if address.is_unspecified() || address.is_multicast() {
        return Err(format!("nobody can be reached at {address}"));
    }
    Ok(Host::Address(address))
}

fn read_port(text: &str) -> Result<u16, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| is_number && *port != 0);
    port.ok_or_else(|| format!("{text:?} is no port: 1 to 65535"))
}

/// Letters, digits, `-` and `_` between dots, and not all digits at the end, which would be a mistyped address.
fn is_dns_name(host: &str) -> bool {
    let labels = host.strip_suffix('.').unwrap_or(host);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(allowed);
    let ends_in_number =
        labels.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= MAX_NAME_LEN && labels.split('.').all(is_label) && !ends_in_number
}

impl fmt::Display for ServerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (_, Some(port)) => f.write_str(&self.with_port(port)),
            (Host::Address(address), None) => write!(f, "{address}"),
            (Host::Name(name), None) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> ServerEndpoint {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_endpoint_prints_as_it_was_written_and_gets_the_servers_port_where_it_has_none() {
        for (text, full) in [
            ("203.0.113.233", "203.0.113.233:4500"),
            ("203.0.113.233:51820", "203.0.113.233:51820"),
            ("2001:db8::1", "[2001:db8::1]:4500"),
            ("[2001:db8::1]:51820", "[2001:db8::1]:51820"),
            ("vps.example", "vps.example:4500"),
            ("vps.example:51820", "vps.example:51820"),
            ("vps", "vps:4500"),
        ] {
            assert_eq!(endpoint(text).to_string(), text);
            assert_eq!(endpoint(text).with_port(4500), full);
        }
        assert_eq!(endpoint("[2001:db8::1]"), endpoint("2001:db8::1"));
        assert_eq!(endpoint("::ffff:192.0.2.1"), endpoint("192.0.2.1"));
    }

    #[test]
    fn what_nobody_can_be_reached_at_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "neither"),
            (":51820", "neither"),
            ("vps.example:", "\"\" is no port"),
            ("vps.example:70000", "is no port"),
            ("vps.example:+1", "is no port"),
            ("vps.example:0", "\"0\" is no port"),
            ("0.0.0.0", "nobody"),
            ("[ff02::1]:51820", "nobody"),
            ("203.0.113.999", "neither"),
            ("[203.0.113.1]:51820", "neither"),
            ("vps..example", "neither"),
            ("v6tun1:abc", "is no port"),
            ("2001:db8::zz:51820", "neither"),
            ("http://vps.example", "is no port"),
            ("my vps", "neither"),
        ] {
            let error = text.parse::<ServerEndpoint>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!("a.".repeat(125).parse::<ServerEndpoint>().is_err());
    }

    #[test]
    fn an_endpoint_that_nobody_outside_reaches_is_known() {
        for text in [
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.2:51820",
            "100.64.0.1",
            "100.127.0.1",
            "169.254.1.1",
            "127.0.0.1",
        ] {
            assert!(endpoint(text).is_private(), "{text}");
            assert!(endpoint(text).warning().unwrap().contains(text));
        }
        for text in ["203.0.113.233", "192.0.2.1", "198.51.100.1", "100.63.0.1", "100.128.0.1", "172.32.0.1"]
        {
            assert!(!endpoint(text).is_private(), "{text}");
        }
        assert!(endpoint("[fd00::1]:51820").is_private() && endpoint("localhost").is_private());
        assert!(!endpoint("vps.example").is_private() && endpoint("vps.example").warning().is_none());
    }
}
