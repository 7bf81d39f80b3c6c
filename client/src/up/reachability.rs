//! Tests of whether this PC and its server reach each other in another way than by the tunnel's own datagrams.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use tokio::time::Instant;
use v6tun_proto::{InboundResult, Nonce};
use v6tun_wire::{Reply, Response};

use crate::{order::Answer, status::Status};

/// How long the server is waited for: it gives each of its own two tests two seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// A test that somebody waits for.
#[derive(Debug)]
pub(super) struct InboundTest {
    pub(super) until: Instant,
    reply: Reply<Status>,
}

impl InboundTest {
    pub(super) fn start(reply: Reply<Status>) -> Self {
        Self { until: Instant::now() + PATIENCE, reply }
    }

    pub(super) fn end(self, result: Option<InboundResult>) {
        // Whoever asked may have gone: then nobody misses the answer.
        let _unasked = self.reply.send(Response::Answer(Answer::Inbound(result)));
    }
}

/// Sends that from a port that no firewall and no router on the way has seen yet.
pub(super) fn send_from_new_port(to: SocketAddr, nonce: &Nonce) -> io::Result<()> {
    let any = match to {
        SocketAddr::V4(_) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        SocketAddr::V6(_) => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
    };
    UdpSocket::bind(any)?.send_to(nonce, to).map(drop)
}
