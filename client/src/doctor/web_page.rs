//! A page that is fetched by IPv6.

use std::{
    fmt,
    io::{Error, ErrorKind},
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// How long each step may take: the name, the connection, the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Enough of an answer to know that it is one, and that full packets arrive.
const ENOUGH: u64 = 64 << 10;
const HTTP_PORT: u16 = 80;

/// `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebPage {
    host: String,
    port: u16,
    path: String,
}

/// How a page came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    /// This PC's address.
    pub(super) from: Ipv6Addr,
}

impl WebPage {
    /// The name, or the address, of its host.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Its host's IPv6 addresses, by this system's resolver.
    pub(super) async fn look_up(&self) -> Result<Vec<SocketAddrV6>> {
        let lookup = timeout(PATIENCE, lookup_host((self.host.as_str(), self.port)));
        let found = lookup.await.context("no answer")??;
        let is_ipv6 = |address| match address {
            SocketAddr::V6(address) if address.ip().to_ipv4_mapped().is_none() => Some(address),
            _ => None,
        };
        Ok(found.filter_map(is_ipv6).collect())
    }

    /// Fetches it from the first of these addresses that answers.
    ///
    /// # Errors
    /// Why the last one did not.
    pub(super) async fn fetch(&self, addresses: &[SocketAddrV6]) -> Result<Visit> {
        let mut failure = Error::from(ErrorKind::AddrNotAvailable);
        for address in addresses {
            match timeout(PATIENCE, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    return timeout(PATIENCE, self.ask(stream)).await.context("the answer hangs")?;
                }
                Ok(Err(error)) => failure = error,
                Err(_) => failure = ErrorKind::TimedOut.into(),
            }
        }
        Err(failure).context("no connection by IPv6")
    }

    async fn ask(&self, mut stream: TcpStream) -> Result<Visit> {
        let IpAddr::V6(from) = stream.local_addr()?.ip() else { bail!("it was not reached by IPv6") };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: v6tun/{}\r\nConnection: close\r\n\r\n",
            self.path,
            env!("CARGO_PKG_VERSION")
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ENOUGH).read_to_end(&mut answer).await?;
        match status_of(&answer) {
            Some(200..=399) => Ok(Visit { from }),
            Some(code) => bail!("it answers with status {code}"),
            None => bail!("what answers is no web server"),
        }
    }
}

/// The status code of an HTTP/1 answer (RFC 9112, section 4).
fn status_of(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    line.split(' ').nth(1)?.parse().ok()
}

impl FromStr for WebPage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text
            .strip_prefix("http://")
            .ok_or_else(|| format!("{text}: only http:// is fetched, as in http://www.kame.net/"))?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        let path = if path.is_empty() { "/" } else { path };
        let refusal = || format!("{place:?} is no host, nor HOST:PORT");
        let (host, port) = match (place.parse::<SocketAddrV6>(), place.rsplit_once(':')) {
            (Ok(address), _) => (address.ip().to_string(), address.port()),
            (_, Some((host, port))) if !place.ends_with(']') => {
                (host.to_owned(), port.parse().map_err(|_| refusal())?)
            }
            _ => (place.trim_start_matches('[').trim_end_matches(']').to_owned(), HTTP_PORT),
        };
        let is_sane = |byte: u8| byte.is_ascii_graphic();
        let is_address = host.parse::<Ipv6Addr>().is_ok();
        let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if host.is_empty() || !(is_address || is_name) || port == 0 || !path.bytes().all(is_sane) {
            return Err(refusal());
        }
        Ok(Self { host, port, path: path.to_owned() })
    }
}

impl fmt::Display for WebPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, path } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        match *port {
            HTTP_PORT => write!(f, "http://{host}{path}"),
            port => write!(f, "http://{host}:{port}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, u16, String), String> {
        text.parse().map(|WebPage { host, port, path }| (host, port, path))
    }

    #[test]
    fn a_page_has_a_host_and_may_have_a_port_and_a_path() {
        let page = |host: &str, port, path: &str| Ok((host.to_owned(), port, path.to_owned()));
        assert_eq!(read("http://www.kame.net/"), page("www.kame.net", 80, "/"));
        assert_eq!(read("http://www.kame.net"), page("www.kame.net", 80, "/"));
        assert_eq!(read("http://a.example:8080/x?y=1"), page("a.example", 8080, "/x?y=1"));
        assert_eq!(read("http://[2001:db8::1]/"), page("2001:db8::1", 80, "/"));
        assert_eq!(read("http://[2001:db8::1]:81/"), page("2001:db8::1", 81, "/"));
    }

    #[test]
    fn what_is_no_page_is_refused_and_nothing_gets_into_the_request() {
        for text in [
            "https://www.kame.net/",
            "www.kame.net",
            "http://",
            "http://:80/",
            "http://a:0/",
            "http://a:x/",
            "http://a b/",
            "http://a/x y",
            "http://a/\r\nX: y",
            "http://a\r\n/",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn it_is_shown_as_it_is_typed() {
        for text in ["http://www.kame.net/", "http://[2001:db8::1]:81/x"] {
            assert_eq!(text.parse::<WebPage>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_answer_has_its_status_in_the_first_line() {
        assert_eq!(status_of(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"), Some(200));
        assert_eq!(status_of(b"HTTP/1.0 404\r\n"), Some(404));
        assert_eq!(status_of(b"220 mail.example\r\n"), None);
        assert_eq!(status_of(b""), None);
    }
}
