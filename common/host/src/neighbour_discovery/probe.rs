//! Whether a neighbour has an address, asked before it is lent (RFC 4861, RFC 4862).

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::icmpv6_socket::{Icmpv6Socket, send_packet};
use super::message::{Arrived, NONCE_LEN, Statement, solicitation, solicited_node};
use crate::network::Link;

/// Between the two solicitations: one may be lost, as on a switch that has just learnt of the group.
const INTERVAL: Duration = Duration::from_millis(100);
/// From the first solicitation until nobody is taken to have the address. A neighbour answers within milliseconds.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long it is listened on once the address is lent: for one that was busy, asleep, or just joining.
const LATE: Duration = Duration::from_secs(2);

/// A neighbour that has the address, or is about to take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Where it was said from; `::` by a neighbour whose own duplicate detection is at the address.
    pub source: Ipv6Addr,
    /// Where it is, if that was said.
    pub link_layer_address: Option<Vec<u8>>,
}

impl fmt::Display for Conflict {
    /// `02:00:5e:10:00:01 (fe80::1)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(mac) = &self.link_layer_address else { return write!(f, "a neighbour ({})", self.source) };
        for (i, byte) in mac.iter().enumerate() {
            write!(f, "{}{byte:02x}", if i == 0 { "" } else { ":" })?;
        }
        write!(f, " ({})", self.source)
    }
}

/// Duplicate detection for one address on one link.
///
/// ```text
/// start ──100 ms── solicited again ──100 ms── first_answer: None ──> lent ── 2 s ── late_answer: None
///   └────────── an advertisement, or a claim ──────────┘                └ an advertisement ┘
/// ```
///
/// The socket stays open from the first solicitation on, so that nothing is missed in between. Both waits may be
/// dropped and called again: they go on where they were.
#[derive(Debug)]
pub struct NeighbourProbe {
    socket: Icmpv6Socket,
    link: Link,
    source: Ipv6Addr,
    target: Ipv6Addr,
    nonce: [u8; NONCE_LEN],
    started: Instant,
    is_solicited_again: bool,
    late_until: Option<Instant>,
}

impl NeighbourProbe {
    /// Sends the first solicitation, from the link's own link-local address where it has one. Must be called within
    /// a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    /// If the link is down or gone or has no IPv6 address at all, or the process may not open a raw socket.
    pub fn start(link: &Link, link_local: Option<Ipv6Addr>, target: Ipv6Addr) -> io::Result<Self> {
        let socket = Icmpv6Socket::open(&link.name, link.index, solicited_node(target))?;
        let mut nonce = [0; NONCE_LEN];
        let random = RandomState::new().hash_one(target).to_ne_bytes();
        nonce.copy_from_slice(&random[..NONCE_LEN]);
        let probe = Self {
            socket,
            link: link.clone(),
            source: link_local.unwrap_or(Ipv6Addr::UNSPECIFIED),
            target,
            nonce,
            started: Instant::now(),
            is_solicited_again: false,
            late_until: None,
        };
        probe.solicit()?;
        Ok(probe)
    }

    /// Solicits again after 100 ms, and waits until 200 ms after the start for a neighbour that has the address
    /// already, or is about to take it. `None`: nobody.
    ///
    /// # Errors
    /// If the link goes.
    pub async fn first_answer(&mut self) -> io::Result<Option<Conflict>> {
        if !self.is_solicited_again {
            if let Some(conflict) = self.conflict_until(self.started + INTERVAL).await? {
                return Ok(Some(conflict));
            }
            self.solicit()?;
            self.is_solicited_again = true;
        }
        self.conflict_until(self.started + PATIENCE).await
    }

    /// Listens on, until 2 s after the first call, for a neighbour that says that it has the address. One that is
    /// about to take it does not count any more: the kernel's proxy entry has defended the address. `None`: nobody.
    ///
    /// # Errors
    /// If the link goes.
    pub async fn late_answer(&mut self) -> io::Result<Option<Conflict>> {
        let until = *self.late_until.get_or_insert_with(|| Instant::now() + LATE);
        timeout_at(until, self.socket.next(|arrived| self.holder(arrived))).await.ok().transpose()
    }

    async fn conflict_until(&self, end: Instant) -> io::Result<Option<Conflict>> {
        let conflict = |arrived: Arrived<'_>| self.holder(arrived).or_else(|| self.claimant(arrived));
        timeout_at(end, self.socket.next(conflict)).await.ok().transpose()
    }

    fn solicit(&self) -> io::Result<()> {
        let packet = solicitation(self.source, self.target, &self.link.mac, self.nonce);
        send_packet(&packet, &self.link.name, self.link.index, solicited_node(self.target))
    }

    /// Whether somebody else says that it has the address: what this host itself says may come back from a switch.
    fn holder(&self, arrived: Arrived<'_>) -> Option<Conflict> {
        let Statement::Held { target, link_layer_address } = arrived.statement()? else { return None };
        let own = self.link.mac.as_slice();
        let is_own = match &link_layer_address {
            Some(padded) => !own.is_empty() && padded.starts_with(own),
            None => arrived.source == self.source,
        };
        let link_layer_address = link_layer_address.map(|mut padded| {
            padded.truncate(own.len());
            padded
        });
        (target == self.target && !is_own).then_some(Conflict { source: arrived.source, link_layer_address })
    }

    /// Whether somebody else is about to take it.
    fn claimant(&self, arrived: Arrived<'_>) -> Option<Conflict> {
        let Statement::Claimed { target, nonce } = arrived.statement()? else { return None };
        let is_own = nonce.is_some_and(|nonce| nonce == self.nonce);
        (target == self.target && !is_own)
            .then_some(Conflict { source: arrived.source, link_layer_address: None })
    }
}
