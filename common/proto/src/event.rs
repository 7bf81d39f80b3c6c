//! What happened, for the event loops to perform and to tell.

use crate::control::{EnrolRefusal, InboundResult, Nonce, RefusalReason};
use crate::limits::MAX_EVENTS;
use crate::server_tunnel::VisitorId;
use crate::{DropReason, Stats};
use std::collections::VecDeque;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;
use v6tun_keys::{PresharedKey, PublicKey};

/// What a client holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The lent address; the prefix length is always 128.
    pub address: Ipv6Addr,
    /// The MTU of the tunnel in bytes, 1280 at the least: what both ends' links and the path between them carry.
    pub mtu: u16,
    /// How long the tunnel may be idle before a heartbeat keeps NAT mappings alive; zero: for ever.
    pub keepalive: Duration,
    /// The server's version, unless the address was configured.
    pub server_version: Option<(u16, u16, u16)>,
}

/// What happened to a client's tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The address is known: given by the server, or configured and the handshake done.
    LeaseGranted(Lease),
    /// The server gives other terms than before, or the path carries other packets; the address may be the same.
    LeaseChanged {
        /// The address held before.
        old: Ipv6Addr,
        /// The new terms.
        new: Lease,
    },
    /// The server refused, or answers handshakes but no lease request. Asking goes on.
    LeaseRefused {
        /// Why.
        reason: RefusalReason,
    },
    /// For the first time: the lease is known and the path proved.
    Connected {
        /// The round-trip time, if it was learnt in time.
        rtt: Option<Duration>,
    },
    /// The server cannot be reached. Handshakes are tried until it can.
    Lost {
        /// How that is known.
        reason: LossReason,
    },
    /// The server can be reached again.
    Returned {
        /// The round-trip time, if it was learnt.
        rtt: Option<Duration>,
        /// The time since the first thing that was not answered.
        outage: Duration,
    },
    /// Since the start no handshake was answered: said after 3 s, and then every 60 s.
    NoAnswer {
        /// The time since the start.
        after: Duration,
        /// Answers do come, but none that fits our keys: as with another pre-shared key.
        is_refused: bool,
    },
    /// The server took its leave while there was no working lease.
    ServerBye,
    /// A handshake was answered, and nothing else was wanted ([`Purpose::Knock`](crate::Purpose::Knock)).
    Answered,
    /// The server has made the key that was sent a client ([`Purpose::Enrol`](crate::Purpose::Enrol)).
    Enrolled {
        /// What that key's handshakes are to be made with.
        preshared_key: PresharedKey,
        /// The client's name, as the server's owner chose it.
        name: String,
    },
    /// The server has not. It is not asked again.
    EnrolRefused {
        /// Why.
        reason: EnrolRefusal,
    },
    /// The server tells how it reached us, which [`request_inbound_test`](crate::ClientTunnel::request_inbound_test) asked
    /// for.
    InboundTested(InboundResult),
    /// The server wants that as a datagram, to that UDP port of its and from another port than the tunnel's.
    PortTestWanted {
        /// Where to.
        to: SocketAddr,
        /// The whole payload.
        nonce: Nonce,
    },
    /// The path does not carry the least that IPv6 needs in one piece: 1340 bytes over IPv4. Datagrams are fragmented. Said once.
    PathTooSmall,
    /// The server's datagrams come, authenticated, from another address.
    EndpointMoved {
        /// Where it was.
        from: SocketAddr,
        /// Where it is.
        to: SocketAddr,
    },
}

/// How a client knows that the server cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReason {
    /// Heartbeats went unanswered for two seconds.
    NoHeartbeat,
    /// Handshakes went unanswered for ninety seconds (the only sign with a stock server).
    NoHandshake,
    /// The server took its leave.
    ServerBye,
    /// The server says that this key is no client of its any more.
    Revoked,
    /// The WireGuard engine failed and was made anew.
    SessionPanicked,
}

/// What happened to a server's tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// A client whose lease is not on the host sent authenticated data. Said again after 5 s if
    /// neither `handle_lease_ready` nor `handle_lease_failed` came and the client still sends.
    LeaseNeeded {
        /// The client's key, which the answer names.
        client: PublicKey,
        /// The client's name.
        name: String,
        /// The address to bring up.
        address: Ipv6Addr,
    },
    /// A client is called back that may be where it was before this server's start: its lease may be needed soon.
    ClientCalled {
        /// The client's key.
        client: PublicKey,
    },
    /// The first authenticated data of a client that was not there.
    ClientConnected {
        /// The client's name.
        name: String,
        /// The client's key.
        client: PublicKey,
        /// Where it is.
        endpoint: SocketAddr,
    },
    /// Fresh authenticated data of a client came from another address: said once a second at the
    /// most for each client, of what moved in between.
    ClientMoved {
        /// The client's name.
        name: String,
        /// The client's key.
        client: PublicKey,
        /// Where it was when that was last told.
        from: SocketAddr,
        /// Where it is.
        to: SocketAddr,
    },
    /// A client said bye, or its session expired. Its lease stays on the host.
    ClientLeft {
        /// The client's name.
        name: String,
        /// The client's key.
        client: PublicKey,
    },
    /// A handshake from a key that is not configured: at most one a second, and one a minute for
    /// each key. The key is claimed, not proved.
    UnknownKey {
        /// The key.
        key: PublicKey,
        /// The sender's address.
        source: SocketAddr,
    },
    /// A visitor, who came with an invitation, asks for a key to become a client. It is answered by
    /// [`handle_enrol_answer`](crate::ServerTunnel::handle_enrol_answer), and not asked for again before.
    EnrolRequested {
        /// Who is to be answered.
        visitor: VisitorId,
        /// The throw-away key of the invitation.
        invitation: PublicKey,
        /// The key that is to be a client's. Its owner has proved nothing.
        client: PublicKey,
        /// The name that the PC has; empty if it has none to suggest.
        name: String,
        /// Where the visitor is.
        source: SocketAddr,
    },
    /// A client wants to know whether it can be reached. It is answered by
    /// [`handle_inbound_result`](crate::ServerTunnel::handle_inbound_result). Said once in two seconds at the most for each
    /// client.
    InboundTestWanted {
        /// The client's key.
        client: PublicKey,
        /// What the answer has to name.
        request_id: u32,
        /// The client's lease.
        address: Ipv6Addr,
        /// A TCP port to connect to.
        tcp_port: Option<NonZeroU16>,
    },
    /// The datagram has come that [`request_port_test`](crate::ServerTunnel::request_port_test) asked for.
    PortTested {
        /// Where it came from.
        source: SocketAddr,
    },
    /// The WireGuard engine failed on a message of that client; its session was given up.
    SessionPanicked {
        /// The client's name.
        name: String,
    },
}

/// Events that wait to be polled.
#[derive(Debug)]
pub(crate) struct EventQueue<E> {
    events: VecDeque<E>,
}

impl<E> EventQueue<E> {
    pub(crate) fn new() -> Self {
        Self { events: VecDeque::new() }
    }

    /// False where the queue is full and the event is lost.
    #[must_use]
    pub(crate) fn push(&mut self, event: E) -> bool {
        let has_room = self.events.len() < MAX_EVENTS;
        if has_room {
            self.events.push_back(event);
        }
        has_room
    }

    pub(crate) fn pop(&mut self) -> Option<E> {
        self.events.pop_front()
    }
}

/// What a tunnel has to tell: its counters and its events.
#[derive(Debug)]
pub(crate) struct Record<E> {
    pub(crate) stats: Stats,
    events: EventQueue<E>,
}

impl<E> Record<E> {
    pub(crate) fn new() -> Self {
        Self { stats: Stats::default(), events: EventQueue::new() }
    }

    pub(crate) fn count(&mut self, reason: DropReason) {
        self.stats.count(reason);
    }

    /// Counts that many at once.
    pub(crate) fn count_all(&mut self, reason: DropReason, number: usize) {
        for _ in 0..number {
            self.count(reason);
        }
    }

    /// Counts what an input came to, if it came to nothing.
    pub(crate) fn settle(&mut self, handled: Result<(), DropReason>) {
        if let Err(reason) = handled {
            self.count(reason);
        }
    }

    pub(crate) fn tell(&mut self, event: E) {
        if !self.events.push(event) {
            self.count(DropReason::EventOverflow);
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<E> {
        self.events.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undrained_queue_stops_growing() {
        let mut queue = EventQueue::new();
        let kept = (0..MAX_EVENTS * 2).filter(|n| queue.push(*n)).count();
        assert_eq!(kept, MAX_EVENTS);
        assert_eq!(queue.pop(), Some(0));
    }
}
