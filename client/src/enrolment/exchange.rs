//! A tunnel that carries no packets, around a UDP socket of its own: for handshakes and the few messages of an
//! enrolment it needs neither a tun nor a thread.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Instant,
};

use anyhow::{Context, Result};
use tokio::{net::UdpSocket, time::sleep_until};
use tracing::debug;
use v6tun_keys::{PresharedKey, PrivateKey, PublicKey};
use v6tun_proto::packet::Ecn;
use v6tun_proto::{
    ClientConfig, ClientEvent, ClientState, ClientTunnel, DatagramBatch, Outputs, PacketBatch, Purpose,
    limits::{MIN_MTU, SLOT},
};
use v6tun_wire::KEEPALIVE;

/// Who speaks with whom.
pub(super) struct Parties {
    pub(super) private_key: PrivateKey,
    pub(super) preshared_key: Option<PresharedKey>,
    pub(super) server: PublicKey,
    pub(super) endpoint: SocketAddr,
}

/// The tunnel and its socket.
pub(super) struct Exchange {
    socket: UdpSocket,
    tunnel: ClientTunnel,
    datagrams: DatagramBatch,
    packets: PacketBatch,
    received: Box<[u8; SLOT]>,
    /// Why the last datagram could not be sent.
    send_error: Option<io::Error>,
}

impl Exchange {
    /// Opens a socket. The first handshake is due at once.
    pub(super) async fn open(parties: Parties, purpose: Purpose) -> Result<Self> {
        let any = if parties.endpoint.is_ipv4() {
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
        } else {
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
        };
        let socket = UdpSocket::bind(any).await.context("cannot open a UDP socket")?;
        let config = ClientConfig {
            private_key: parties.private_key,
            server: parties.server,
            preshared_key: parties.preshared_key,
            endpoint: parties.endpoint,
            address: None,
            keepalive: KEEPALIVE,
            own_keepalive: None,
            mtu_ceiling: MIN_MTU,
            seed: getrandom::u64().context("cannot get random numbers")?,
            purpose,
        };
        Ok(Self {
            socket,
            tunnel: ClientTunnel::new(config, Instant::now()),
            datagrams: DatagramBatch::new(),
            packets: PacketBatch::new(),
            received: Box::new([0; SLOT]),
            send_error: None,
        })
    }

    /// The next thing that happens. Of a call that is given up nothing is lost but datagrams, as on any network.
    pub(super) async fn next_event(&mut self) -> ClientEvent {
        loop {
            if let Some(event) = self.tunnel.poll_event() {
                return event;
            }
            self.step().await;
        }
    }

    /// Whether the server has answered a handshake.
    pub(super) fn is_answered(&self) -> bool {
        self.tunnel.status(Instant::now()).state != ClientState::Connecting
    }

    /// Why the last datagram could not be sent, if it could not.
    pub(super) fn send_error(&self) -> Option<&io::Error> {
        self.send_error.as_ref()
    }

    /// One input, and all that comes of it.
    async fn step(&mut self) {
        let due = self.tunnel.next_deadline().map(|deadline| deadline.at);
        let received = tokio::select! {
            received = self.socket.recv_from(self.received.as_mut_slice()) => Some(received),
            () = sleep_until_std(due) => None,
        };
        let out = &mut Outputs { to_network: &mut self.datagrams, to_tun: &mut self.packets };
        match received {
            Some(Ok((len, source))) => {
                self.tunnel.handle_datagram(
                    source,
                    &self.received[..len],
                    Ecn::NotCapable,
                    out,
                    Instant::now(),
                );
            }
            // The kernel passes on what routers said of datagrams sent before.
            Some(Err(error)) => debug!("receiving: {error}"),
            None => self.tunnel.handle_timeout(out, Instant::now()),
        }
        self.send().await;
    }

    async fn send(&mut self) {
        for (destination, datagram) in self.datagrams.iter() {
            self.send_error = self.socket.send_to(datagram, destination).await.err();
        }
        self.datagrams.clear();
        self.packets.clear();
    }
}

async fn sleep_until_std(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
