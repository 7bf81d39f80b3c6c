//! Hearing that the host's network has changed.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::async_descriptor::register;
use crate::network::NetworkError;

/// The groups that are listened to, as `linux/rtnetlink.h` numbers them in a bit mask. That of neighbours is not among
/// them: it tells of each neighbour that is looked for, and of no proxy entry (`net/core/neighbour.c`).
const GROUPS: u32 = RTMGRP_LINK
    | RTMGRP_IPV4_IFADDR
    | RTMGRP_IPV4_ROUTE
    | RTMGRP_IPV6_IFADDR
    | RTMGRP_IPV6_ROUTE
    | IPV6_NETCONF;
const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV4_ROUTE: u32 = 0x40;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;
const RTMGRP_IPV6_ROUTE: u32 = 0x400;
/// `RTNLGRP_IPV6_NETCONF`, group 25: forwarding and the neighbour proxy, of any link or all.
const IPV6_NETCONF: u32 = 1 << 24;

/// What comes within this time is one change: a tool that configures a link sends dozens of messages.
const BURST: Duration = Duration::from_millis(20);
/// Messages that are thrown away in one turn. More can wait: they are told as the next change.
const DRAIN: usize = 4096;
/// How long reopening rests after it failed.
const REOPEN_REST: Duration = Duration::from_secs(1);

/// Tells that a link, an address, a route or a link's forwarding has changed, whoever changed it, but not how: who hears of it
/// looks at the host again.
///
/// It listens in the network namespace of the thread that opens it. Nothing is missed: where the kernel could not
/// keep all its messages, that is told as a change.
#[derive(Debug)]
pub struct AddressWatch {
    socket: AsyncFd<OwnedFd>,
    /// When the first of what nobody has been told of yet came.
    pending: Option<Instant>,
}

impl AddressWatch {
    /// Begins to listen. Must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    /// If no netlink socket can be had.
    pub fn open() -> Result<Self, NetworkError> {
        let failed = |e| NetworkError::new("listen to changes of the host's network", e);
        Ok(Self { socket: subscribe().map_err(failed)?, pending: None })
    }

    /// Returns when something has changed since the last call returned, or since this was opened: 20 ms after the
    /// first of what comes together. If it is dropped before, the next call returns in its place.
    pub async fn changed(&mut self) {
        let since = loop {
            match self.pending {
                Some(since) => break since,
                None => self.listen().await,
            }
        };
        tokio::time::sleep_until(since + BURST).await;
        for _ in 0..DRAIN {
            if receive(self.socket.get_ref()).is_err() {
                break;
            }
        }
        self.pending = None;
    }

    async fn listen(&mut self) {
        let received = match self.socket.readable().await {
            Ok(mut ready) => match ready.try_io(|socket| receive(socket.get_ref())) {
                Ok(received) => received,
                Err(_would_block) => return,
            },
            Err(error) => Err(error),
        };
        self.pending = Some(Instant::now());
        if let Err(error) = received.or_else(unless_overrun) {
            self.reopen(&error).await;
        }
    }

    async fn reopen(&mut self, error: &io::Error) {
        tracing::warn!(%error, "the netlink socket that tells of changes has failed; it is opened anew");
        match subscribe() {
            Ok(socket) => self.socket = socket,
            Err(error) => {
                tracing::warn!(%error, "cannot listen to changes of the host's network");
                tokio::time::sleep(REOPEN_REST).await;
            }
        }
    }
}

fn subscribe() -> io::Result<AsyncFd<OwnedFd>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // `NETLINK_ROUTE` is protocol 0.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    register(socket)
}

/// Takes one message, of which nothing is kept: the kernel cuts it to the buffer.
fn receive(socket: &OwnedFd) -> io::Result<()> {
    recv(socket, &mut [0; 16], RecvFlags::empty())?;
    Ok(())
}

/// `ENOBUFS`: messages were lost, which is as good as one that came.
fn unless_overrun(error: io::Error) -> io::Result<()> {
    match Errno::from_io_error(&error) {
        Some(Errno::NOBUFS | Errno::INTR) => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
impl AddressWatch {
    /// Leaves room for a message or two.
    pub(super) fn narrow(&self) {
        rustix::net::sockopt::set_socket_recv_buffer_size(self.socket.get_ref(), 1).unwrap();
    }
}
