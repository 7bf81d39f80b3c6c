//! Tests that the doctors ask for: whether a client can be reached from here, and whether our own port can.

use super::serve::Server;
use crate::order::Answer;
use crate::status::Status;
use anyhow::Result;
use std::future::pending;
use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::warn;
use v6tun_cli::Failure;
use v6tun_host::echo::echo;
use v6tun_keys::PublicKey;
use v6tun_proto::{InboundResult, Nonce, TcpResult};
use v6tun_wire::{Reply, Response};

/// How long an answer is waited for: a round trip through the worst of lines, and the kernel's second try.
const PATIENCE: Duration = Duration::from_secs(2);
/// The shortest packet of `ping`, in bytes.
const ECHO_SIZE: usize = 104;
/// Clients that are tested at one time; whoever comes beyond that hears nothing, and asks again.
const MAX_TESTS: usize = 16;

/// The tests under way.
#[derive(Debug, Default)]
pub(crate) struct Reachability {
    inbound: JoinSet<Tested>,
    port: Option<PortTest>,
}

/// How a client was reached, and which of its requests that answers.
#[derive(Debug)]
pub(super) struct Tested {
    client: PublicKey,
    request_id: u32,
    result: InboundResult,
}

#[derive(Debug)]
struct PortTest {
    /// The client's name.
    by: String,
    until: Instant,
    reply: Reply<Status>,
}

impl Reachability {
    /// The next client that was tested; `None`: the datagram for our own port is late.
    pub(super) async fn next(&mut self) -> Option<Tested> {
        loop {
            tokio::select! {
                Some(ended) = self.inbound.join_next() => match ended {
                    Ok(tested) => return Some(tested),
                    Err(error) => warn!("a test failed: {error}"),
                },
                () = late(self.port.as_ref()) => return None,
            }
        }
    }

    /// Tells whoever asked what has become of the test of our port.
    pub(super) fn end_port_test(&mut self, source: Option<SocketAddr>) {
        if let Some(PortTest { by, reply, .. }) = self.port.take() {
            // Whoever asked may have gone: then nobody misses the answer.
            let _unasked = reply.send(Response::Answer(Answer::PortTest { by, source }));
        }
    }
}

async fn late(test: Option<&PortTest>) {
    match test {
        Some(test) => sleep_until(test.until).await,
        None => pending().await,
    }
}

async fn test(address: Ipv6Addr, tcp_port: Option<NonZeroU16>) -> InboundResult {
    let echo = spawn_blocking(move || echo(address.into(), ECHO_SIZE, PATIENCE)).await;
    let tcp = match tcp_port {
        Some(port) => timeout(PATIENCE, TcpStream::connect((address, port.get()))).await.map_or(
            TcpResult::Silent,
            |connected| match connected {
                Ok(_) => TcpResult::Open,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => TcpResult::Refused,
                Err(_) => TcpResult::Silent,
            },
        ),
        None => TcpResult::Untried,
    };
    InboundResult { echo: echo.ok().and_then(Result::ok).flatten(), tcp }
}

impl Server<'_> {
    /// A client wants to know whether it can be reached.
    pub(super) fn test_inbound(
        &mut self,
        client: PublicKey,
        request_id: u32,
        (address, tcp_port): (Ipv6Addr, Option<NonZeroU16>),
    ) {
        if self.reachability.inbound.len() < MAX_TESTS {
            self.reachability
                .inbound
                .spawn(async move { Tested { client, request_id, result: test(address, tcp_port).await } });
        }
    }

    pub(super) fn tell_tested(&self, Tested { client, request_id, result }: Tested) {
        self.tell_tunnel(move |tunnel, out, _| {
            tunnel.handle_inbound_result(&client, request_id, result, out)
        });
    }

    /// Has the client that was heard last send a datagram from another port than its own.
    pub(super) async fn test_port(&mut self, reply: Reply<Status>) {
        match self.ask_for_datagram().await {
            Ok(by) => {
                self.reachability.end_port_test(None);
                self.reachability.port = Some(PortTest { by, until: Instant::now() + PATIENCE, reply });
            }
            Err(error) => {
                let refused = Response::Refused(v6tun_cli::error_report::as_failure(&error));
                // As above.
                let _unasked = reply.send(refused);
            }
        }
    }

    async fn ask_for_datagram(&self) -> Result<String> {
        let figures = self.event_loop.figures().await?;
        let there = figures.tunnel.into_iter().filter(|peer| peer.speaks_control && peer.endpoint.is_some());
        let last = there.min_by_key(|peer| peer.latest_handshake.unwrap_or(Duration::MAX));
        let peer = last.ok_or_else(|| Failure::failed("no client is there that could try"))?;
        let mut nonce: Nonce = Nonce::default();
        getrandom::fill(&mut nonce)
            .map_err(|error| Failure::failed(format!("no random numbers: {error}")))?;
        let (client, port) = (peer.public_key, self.identity.listen_port);
        self.tell_tunnel(move |tunnel, out, _| tunnel.request_port_test(&client, port, nonce, out));
        Ok(peer.name)
    }
}
