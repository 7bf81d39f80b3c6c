//! `ping`, `traceroute` and their outputs.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{Ipv6Addr, SocketAddrV6, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::{Namespace, wait_until};
use v6tun_tests::product::Installation;

/// What became of the packets that `ping` sent.
pub(crate) struct Ping {
    /// How many of them were not answered.
    pub(crate) lost: u32,
    /// Shortest round trip, milliseconds.
    pub(crate) shortest_ms: Option<f64>,
    /// All that `ping` said.
    pub(crate) text: String,
}

/// Pings `to` `count` times, `interval` seconds apart, and gives each of these packets a second at least to
/// be answered: `ping` itself stops listening at the next interval after its last packet.
pub(crate) fn ping(from: &Namespace, to: impl Display, count: u32, interval: f64) -> Result<Ping> {
    let sent = count + (1.0 / interval).ceil() as u32;
    let finished = from.run(&format!("ping -n -c {sent} -i {interval} -W 2 {to}"))?;
    let text = finished.stdout + &finished.stderr;
    ensure!(text.contains("packets transmitted"), "{} cannot ping {to}: {text}", from.role());
    let word = |line: &str, name: &str| {
        line.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned)
    };
    let answers = || text.lines().filter(|line| line.contains(" time="));
    let answered: BTreeSet<u32> = answers()
        .filter_map(|line| word(line, "icmp_seq=")?.parse().ok())
        .filter(|seq| *seq <= count)
        .collect();
    let shortest_ms =
        answers().filter_map(|line| word(line, "time=")?.parse().ok()).min_by(|a: &f64, b| a.total_cmp(b));
    Ok(Ping { lost: count - u32::try_from(answered.len())?, shortest_ms, text })
}

/// Pings once, and returns the round trip in milliseconds.
pub(crate) fn round_trip(from: &Namespace, to: impl Display) -> Result<f64> {
    let text = from.output(&format!("ping -n -c 1 -W 2 {to}"))?;
    let time = text.split_whitespace().find_map(|word| word.strip_prefix("time="));
    Ok(time.with_context(|| text.clone())?.parse()?)
}

/// Expects three answers within 5 s.
pub(crate) fn must_reach(from: &Namespace, to: impl Display) -> Result<()> {
    from.output(&format!("ping -n -c 3 -i 0.1 -w 5 {to}")).map(drop)
}

/// The addresses of the hops, as `traceroute` prints them; `*` for one that did not answer.
pub(crate) fn hops(from: &Namespace, to: impl Display) -> Result<Vec<String>> {
    let trace = from.output(&format!("traceroute -n -q 1 -w 2 -m 8 {to}"))?;
    let hop = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    Ok(trace.lines().skip(1).filter_map(hop).collect())
}

/// The listener and both ends of a TCP connection.
pub(crate) type Connection = (TcpListener, TcpStream, TcpStream);

/// A connection of `visitor` to `port` of one address of `host`, where a program listens on all of them.
pub(crate) fn connection(
    visitor: &Namespace,
    host: &Namespace,
    address: Ipv6Addr,
    port: u16,
) -> Result<Connection> {
    let listener = host.enter(|| {
        TcpListener::bind(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0)).context("listen")
    })?;
    let from = visitor.enter(|| TcpStream::connect((address, port)).context("connect"))?;
    let (to, _) = listener.accept()?;
    Ok((listener, from, to))
}

/// Waits until no address of `host` is being probed for duplicates: from then on its state stands still.
pub(crate) fn wait_until_settled(host: &Namespace) -> Result<()> {
    wait_until("duplicate address detection to end", Duration::from_secs(10), || {
        Ok(host.output("ip -6 -o address show tentative")?.is_empty())
    })
}

/// Waits until the running client has this address.
pub(crate) fn wait_for_address(client: &Installation, address: Ipv6Addr, limit: Duration) -> Result<()> {
    let what = format!("the client to have {address}");
    let waited = wait_until(&what, limit, || Ok(client.status()?["address"] == address.to_string().as_str()));
    waited.with_context(|| format!("it says {:?}", client.status()))
}

/// When the server and this client last shook hands, seconds since 1970.
pub(crate) fn latest_handshake(client: &Installation) -> Result<u64> {
    let status = client.status()?;
    status["server"]["latest-handshake"].as_u64().with_context(|| status.to_string())
}
