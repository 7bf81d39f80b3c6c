//! An enrolled client that can send anything.
//!
//! It owns the keys of its WireGuard session ([`noise`]), so it can encrypt any bytes as an inner packet,
//! under any counter, and keep each datagram to send it again from elsewhere. What it should get through
//! with is nothing: [`forbidden`] lists the inner packets, each with the reason under which a server counts
//! it, and [`garbage`] makes datagrams that mean nothing at all.
//!
//! To the server it is a stock WireGuard peer: it never speaks the control protocol.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use v6tun_keys::{PrivateKey, PublicKey};

pub mod forbidden;
pub mod garbage;
pub mod noise;
pub mod packet;

use crate::lab::Namespace;
use noise::{Handshake, Session};

/// How long one handshake initiation is waited for before the next.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);
/// How many initiations are sent before the server counts as silent.
const ATTEMPTS: u32 = 10;
/// Larger than any UDP payload.
const BUFFER: usize = 1 << 16;

/// The peer, with its session up.
#[derive(Debug)]
pub struct HostilePeer {
    socket: UdpSocket,
    session: Session,
    initiation: Vec<u8>,
}

impl HostilePeer {
    /// Shakes hands with the server from inside `from`.
    ///
    /// # Errors
    /// The server did not answer ten initiations.
    pub fn connect(from: &Namespace, server: SocketAddr, own: &PrivateKey, key: &PublicKey) -> Result<Self> {
        let socket = socket_in(from, server)?;
        for _ in 0..ATTEMPTS {
            let (handshake, initiation) = Handshake::start(own, key)?;
            socket.send(&initiation)?;
            let Some(response) = receive(&socket, ANSWER_LIMIT)? else { continue };
            let session = handshake.finish(&response).context("the server's answer is no response")?;
            return Ok(Self { socket, session, initiation: initiation.to_vec() });
        }
        bail!("{server} answers no initiation");
    }

    /// The initiation that brought the session up.
    #[must_use]
    pub fn initiation(&self) -> &[u8] {
        &self.initiation
    }

    /// The session's keys and indices.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Encrypts `packet`, sends it, and returns the datagram.
    ///
    /// # Errors
    /// The socket failed.
    pub fn inject(&mut self, packet: &[u8]) -> Result<Vec<u8>> {
        let datagram = self.session.seal(packet);
        self.send(&datagram)?;
        Ok(datagram)
    }

    /// Sends a datagram as it is.
    ///
    /// # Errors
    /// The socket failed.
    pub fn send(&self, datagram: &[u8]) -> Result<()> {
        let sent = self.socket.send(datagram).context("send")?;
        ensure!(sent == datagram.len(), "sent {sent} of {} bytes", datagram.len());
        Ok(())
    }

    /// Waits for an inner packet that `wanted` accepts.
    ///
    /// # Errors
    /// None came within `limit`.
    pub fn receive_packet(&self, limit: Duration, wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
        let end = Instant::now() + limit;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let Some(datagram) = receive(&self.socket, left)? else { break };
            match self.session.open(&datagram) {
                Some(packet) if wanted(&packet) => return Ok(packet),
                _ => {}
            }
        }
        bail!("no such packet came within {limit:?}");
    }
}

/// A UDP socket that belongs to `from` and is connected to `server`.
///
/// # Errors
/// The namespace cannot be entered, or has no route to the server.
pub fn socket_in(from: &Namespace, server: SocketAddr) -> Result<UdpSocket> {
    from.enter(|| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect(server).with_context(|| format!("connect to {server}"))?;
        Ok(socket)
    })
}

/// The next datagram, if one comes within `limit`.
///
/// # Errors
/// The socket failed, or the kernel reported that the port is closed.
pub fn receive(socket: &UdpSocket, limit: Duration) -> Result<Option<Vec<u8>>> {
    socket.set_read_timeout(Some(limit.max(Duration::from_millis(1))))?;
    let mut buffer = vec![0; BUFFER];
    match socket.recv(&mut buffer) {
        Ok(len) => {
            buffer.truncate(len);
            Ok(Some(buffer))
        }
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).context("receive"),
    }
}
