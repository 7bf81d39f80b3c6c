//! What is said to the person in front of the PC: connection, loss and return on standard output, trouble on standard
//! error. Each is one line, and a hint where there is something to do. Where nobody can read them the log has them.

use std::{
    io::{self, Write},
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use tracing::{info, warn};
use v6tun_cli::humanize;
use v6tun_keys::PublicKey;
use v6tun_proto::{LossReason, RefusalReason};

use crate::{ROLE, service};

/// Says a line to whoever follows the connection. Where standard output is closed nobody does.
pub(crate) fn say(line: &str) {
    if service::has_console() {
        let _unheard = writeln!(io::stdout().lock(), "{}: {line}", ROLE.program);
    } else {
        info!("{line}");
    }
}

/// Says what is wrong, and what to do about it.
pub(crate) fn complain(line: &str, hint: &str) {
    if service::has_console() {
        let _unheard = writeln!(io::stderr().lock(), "{}: {line}\nhint: {hint}", ROLE.program);
    } else {
        warn!("{line}; hint: {hint}");
    }
}

/// `last` is the address that this PC held before.
pub(crate) fn up(
    address: Ipv6Addr,
    endpoint: SocketAddr,
    rtt: Option<Duration>,
    last: Option<Ipv6Addr>,
) -> String {
    let former = last.filter(|last| *last != address);
    let former = former.map(|last| format!("; the address was {last} before")).unwrap_or_default();
    format!("up {address} via {endpoint}{}{former}", in_parentheses(rtt))
}

pub(crate) fn not_found_yet(last: SocketAddr) -> String {
    format!("the server's name is not found yet; trying its last address {last}")
}

/// `endpoint` is the invitation's.
pub(crate) fn enrolled(name: &str, endpoint: &str) -> String {
    format!("enrolled as {name} at {endpoint}")
}

pub(crate) fn known(endpoint: &str) -> String {
    format!("this PC is enrolled at {endpoint} already; {} connects", ROLE.command("up"))
}

pub(crate) fn lost(endpoint: SocketAddr, reason: LossReason) -> String {
    let why = match reason {
        LossReason::NoHeartbeat => "no answer for 2.0 s",
        LossReason::NoHandshake => "no answer to handshakes for 90 s",
        LossReason::ServerBye => "it has stopped",
        LossReason::Revoked => "it has revoked this PC",
        LossReason::SessionPanicked => "the session failed",
    };
    format!("lost the server {endpoint} ({why}); trying again")
}

pub(crate) const REVOKED_HINT: &str =
    "only a new invitation brings it back: `v6tun-server invite NAME`, on the server, makes one";

pub(crate) fn back(outage: Duration, rtt: Option<Duration>) -> String {
    format!("back after {}{}", seconds(outage), in_parentheses(rtt))
}

pub(crate) fn changed(old: Ipv6Addr, new: Ipv6Addr) -> String {
    format!("the server has changed the address from {old} to {new}")
}

pub(crate) fn no_answer(endpoint: SocketAddr, after: Duration) -> String {
    format!("no answer from {endpoint} for {}; trying on", seconds(after))
}

pub(crate) fn keys_differ(endpoint: SocketAddr) -> String {
    format!("{endpoint} answers, but its handshakes do not fit our keys; trying on")
}

/// An answer proves that both sides know each other's public key: what is left is the other key.
pub(crate) const KEYS_DIFFER_HINT: &str =
    "preshared-key-file must hold the same key on both sides, or stand on neither";

pub(crate) fn no_route(endpoint: SocketAddr) -> String {
    format!("this PC has no route to {endpoint}; trying on")
}

pub(crate) fn no_route_hint(endpoint: SocketAddr) -> String {
    let family = if endpoint.is_ipv6() { "-6" } else { "-4" };
    format!("`ip {family} route get {}` says why; an endpoint by IPv4 needs no IPv6 here", endpoint.ip())
}

/// The likely causes of a server that says nothing: it never answers a key that it does not know.
pub(crate) fn no_answer_hint(own_key: PublicKey) -> String {
    format!(
        "UDP is blocked on the way, or the server is down or its endpoint or public-key wrong, or it does not know this PC's key: {own_key}"
    )
}

/// The sum is of IPv6's least and of what the tunnel adds.
pub(crate) fn path_too_small(endpoint: SocketAddr) -> String {
    let least = if endpoint.is_ipv4() { 1340 } else { 1360 };
    format!(
        "the path to {endpoint} does not carry {least} bytes in one piece; it goes on in fragments, more slowly"
    )
}

pub(crate) const PATH_TOO_SMALL_HINT: &str = "another tunnel on the way, or a router or modem with a small MTU, takes the room: raise its MTU if it is yours";

pub(crate) fn refused(reason: RefusalReason) -> String {
    format!("no address yet: {reason}; asking on")
}

pub(crate) fn refused_hint(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::NoAnswer => {
            "a server that is no v6tun-server leases no address: write the one that it expects, address = \"…\""
        }
        RefusalReason::HostFailed => "the server's log says why",
        RefusalReason::Other(_) => "the server may be newer than this client; its log says why",
    }
}

fn in_parentheses(rtt: Option<Duration>) -> String {
    rtt.map(|rtt| format!(" (rtt {})", humanize::rtt(rtt))).unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> SocketAddr {
        "203.0.113.233:51820".parse().unwrap()
    }

    #[test]
    fn connection_loss_and_return_are_one_line_each() {
        let rtt = Some(Duration::from_micros(20_900));
        let address = "2001:db8::2330".parse().unwrap();
        let line = "up 2001:db8::2330 via 203.0.113.233:51820 (rtt 20.9 ms)";
        assert_eq!(up(address, endpoint(), rtt, Some(address)), line);
        assert_eq!(up(address, endpoint(), None, None), "up 2001:db8::2330 via 203.0.113.233:51820");
        assert_eq!(
            lost(endpoint(), LossReason::NoHeartbeat),
            "lost the server 203.0.113.233:51820 (no answer for 2.0 s); trying again"
        );
        assert_eq!(back(Duration::from_millis(12_340), rtt), "back after 12.3 s (rtt 20.9 ms)");
    }

    #[test]
    fn another_address_than_last_time_is_told() {
        let [new, old] = ["2001:db8::2330", "2001:db8::2331"].map(|address| address.parse().unwrap());
        assert_eq!(
            up(new, endpoint(), None, Some(old)),
            "up 2001:db8::2330 via 203.0.113.233:51820; the address was 2001:db8::2331 before"
        );
    }

    #[test]
    fn silence_is_explained_with_the_key_that_the_server_must_know() {
        let key = PublicKey::from_bytes([9; 32]);
        let hint = no_answer_hint(key);
        for cause in ["UDP is blocked", "server is down", "does not know this PC's key", &key.to_string()] {
            assert!(hint.contains(cause), "{cause}: {hint}");
        }
    }
}
