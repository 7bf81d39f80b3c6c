//! Where the server is: an address and port, or a name and port that is looked up.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use anyhow::Result;
use v6tun_cli::Failure;

/// How long the name service may take. Resolvers try several servers, 5 s each.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(20);

/// The longest DNS name (RFC 1035, section 2.3.4), in its text form.
const MAX_NAME_LEN: usize = 253;

/// The server's endpoint as the configuration says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// An address, which stays.
    Address(SocketAddr),
    /// A name, whose address may change.
    Name {
        /// The DNS name.
        host: String,
        /// The UDP port.
        port: u16,
    },
}

impl Endpoint {
    /// The address to use. Of several the first IPv4 one, as that is the way that this tunnel is made for.
    ///
    /// # Errors
    /// When the name is not known, or the name service does not answer within 20 s.
    pub(crate) async fn resolve(&self) -> Result<SocketAddr> {
        let (host, port) = match self {
            Self::Address(address) => return Ok(*address),
            Self::Name { host, port } => (host.as_str(), *port),
        };
        let lookup = tokio::time::timeout(LOOKUP_PATIENCE, tokio::net::lookup_host((host, port)));
        let found = match lookup.await {
            Ok(Ok(found)) => prefer_ipv4(found).ok_or_else(|| "it has no address".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer for {} s", LOOKUP_PATIENCE.as_secs())),
        };
        found.map_err(|why| {
            Failure::failed(format!("cannot look up the server {host}: {why}"))
                .with_hint("check the name and this PC's DNS, or write the address: endpoint = \"203.0.113.233:51820\"")
                .into()
        })
    }
}

fn prefer_ipv4(addresses: impl Iterator<Item = SocketAddr>) -> Option<SocketAddr> {
    let addresses: Vec<_> = addresses.map(canonical).collect();
    addresses.iter().find(|one| one.is_ipv4()).or_else(|| addresses.first()).copied()
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// Reads `203.0.113.233:51820`, `[2001:db8::1]:51820` or `vps.example:51820`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return check_address(canonical(address)).map(Self::Address);
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err(format!("{text} has no port"));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("{text} has no port"))?;
        let port: u16 = port.parse().map_err(|_| format!("{port:?} is no port"))?;
        if port == 0 {
            return Err("0 is no port".to_owned());
        }
        if !is_dns_name(host) {
            return Err(format!("{host:?} is neither an address nor a DNS name"));
        }
        Ok(Self::Name { host: host.to_owned(), port })
    }
}

fn check_address(address: SocketAddr) -> Result<SocketAddr, String> {
    if address.port() == 0 {
        return Err("0 is no port".to_owned());
    }
    if address.ip().is_unspecified() || address.ip().is_multicast() {
        return Err(format!("nobody can be reached at {}", address.ip()));
    }
    Ok(address)
}

/// Letters, digits, `-` and `_` between dots, and not all digits at the end, which would be a mistyped address.
fn is_dns_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(allowed);
    let last_is_number =
        host.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= MAX_NAME_LEN && host.split('.').all(is_label) && !last_is_number
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_told_apart_and_print_as_they_were_written() {
        for text in ["203.0.113.233:51820", "[2001:db8::1]:51820"] {
            assert_eq!(text.parse::<Endpoint>(), Ok(Endpoint::Address(text.parse().unwrap())));
        }
        let name: Endpoint = "vps.example:51820".parse().unwrap();
        assert_eq!(name, Endpoint::Name { host: "vps.example".to_owned(), port: 51820 });
        assert_eq!(name.to_string(), "vps.example:51820");
    }

    #[test]
    fn a_v4_mapped_address_is_ipv4() {
        assert_eq!("[::ffff:192.0.2.1]:1".parse(), Ok(Endpoint::Address("192.0.2.1:1".parse().unwrap())));
    }

    #[test]
    fn what_nobody_can_be_reached_at_is_refused_with_the_reason() {
        for (text, why) in [
            ("203.0.113.233", "no port"),
            ("2001:db8::1", "no port"),
            ("vps.example", "no port"),
            ("vps.example:", "\"\" is no port"),
            ("vps.example:70000", "is no port"),
            ("vps.example:0", "0 is no port"),
            ("203.0.113.233:0", "0 is no port"),
            ("0.0.0.0:51820", "nobody"),
            ("[ff02::1]:51820", "nobody"),
            ("203.0.113.999:51820", "neither"),
            ("vps..example:51820", "neither"),
            ("2001:db8::zz:51820", "neither"),
            (":51820", "neither"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn of_several_addresses_ipv4_is_taken() {
        let found: Vec<SocketAddr> =
            ["[2001:db8::1]:1", "192.0.2.1:1", "192.0.2.2:1"].map(|one| one.parse().unwrap()).to_vec();
        assert_eq!(prefer_ipv4(found.iter().copied()), Some(found[1]));
        assert_eq!(prefer_ipv4(found.iter().copied().take(1)), Some(found[0]));
        assert_eq!(prefer_ipv4(std::iter::empty()), None);
    }
}
