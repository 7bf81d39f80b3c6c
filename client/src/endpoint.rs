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
    /// Several of these, the best first.
    Several(Vec<Self>),
}

impl Endpoint {
    /// Of so many in a list each gets its turn within two minutes.
    pub(crate) const MOST: usize = 8;

    /// Whether there is one address, which never changes.
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self, Self::Address(_))
    }

    /// The address to use first.
    ///
    /// # Errors
    /// As [`next_after`](Self::next_after).
    pub(crate) async fn resolve(&self) -> Result<SocketAddr> {
        self.next_after(None).await
    }

    /// The address to use where that one is silent: each gets its turn, and then the first again. Of a name the IPv4
    /// ones come first, as that is the way that this tunnel is made for.
    ///
    /// # Errors
    /// When no name is known, or the name service does not answer within 20 s.
    pub(crate) async fn next_after(&self, silent: Option<SocketAddr>) -> Result<SocketAddr> {
        let all = match self {
            Self::Several(several) => {
                let mut all = Vec::new();
                let mut failure = None;
                for one in several {
                    match one.addresses().await {
                        Ok(found) => all.extend(found),
                        Err(error) => failure = Some(error),
                    }
                }
                match failure {
                    Some(error) if all.is_empty() => return Err(error),
                    _ => all,
                }
            }
            one => one.addresses().await?,
        };
        following(&all, silent).ok_or_else(|| Failure::failed("the server has no endpoint").into())
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>> {
        let (host, port) = match self {
            Self::Address(address) => return Ok(vec![*address]),
            Self::Name { host, port } => (host.as_str(), *port),
            // Lists are not nested.
            Self::Several(_) => return Ok(Vec::new()),
        };
        let lookup = tokio::time::timeout(LOOKUP_PATIENCE, tokio::net::lookup_host((host, port)));
        let found = match lookup.await {
            Ok(Ok(found)) => Some(ipv4_first(found))
                .filter(|all| !all.is_empty())
                .ok_or_else(|| "it has no address".to_owned()),
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

/// In the order in which the name service gave them, but for that.
fn ipv4_first(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut all: Vec<_> = addresses.map(canonical).collect();
    all.sort_by_key(SocketAddr::is_ipv6);
    all
}

/// The next one, cyclically; the first where the silent one is none of them.
fn following(all: &[SocketAddr], silent: Option<SocketAddr>) -> Option<SocketAddr> {
    let place = silent.and_then(|silent| all.iter().rposition(|one| *one == silent));
    let next = place.and_then(|place| all.get(place.saturating_add(1)));
    next.or_else(|| all.first()).copied()
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
            Self::Several(several) => {
                let all: Vec<String> = several.iter().map(Self::to_string).collect();
                f.write_str(&all.join(", "))
            }
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
        assert_eq!(ipv4_first(found.iter().copied()).first(), Some(&found[1]));
        assert_eq!(ipv4_first(found.iter().copied().take(1)), [found[0]]);
        assert!(ipv4_first(std::iter::empty()).is_empty());
    }

    #[test]
    fn of_several_each_has_its_turn() {
        let all: Vec<SocketAddr> = (1..4).map(|n| SocketAddr::from(([192, 0, 2, n], 51820))).collect();
        assert_eq!(following(&all, None), Some(all[0]));
        assert_eq!(following(&all, Some(all[0])), Some(all[1]));
        assert_eq!(following(&all, Some(all[2])), Some(all[0]));
        let gone = SocketAddr::from(([203, 0, 113, 1], 51820));
        assert_eq!(following(&all, Some(gone)), Some(all[0]), "the name has other addresses now");
        assert_eq!(following(&[], None), None);
    }

    #[test]
    fn what_cannot_be_looked_up_does_not_keep_the_others_from_being_tried() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let name = Endpoint::Name { host: "no-such-name.invalid".to_owned(), port: 1 };
        let address: SocketAddr = "192.0.2.1:51820".parse().unwrap();
        let several = Endpoint::Several(vec![name, Endpoint::Address(address)]);
        assert_eq!(runtime.block_on(several.resolve()).unwrap(), address);
    }
}
