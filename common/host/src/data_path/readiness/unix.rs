//! One poll over the three descriptors.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, unix::SourceFd};

use super::Waiting;
use crate::{tun::Tun, udp::UdpSocket};

const TUN: Token = Token(0);
const SOCKET: Token = Token(1);
const WAKER: Token = Token(2);

/// Wakes the data path from any thread, to look at its engine's orders.
#[derive(Clone, Debug)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Wakes it. Many calls before it looks are as one.
    pub fn wake(&self) {
        // The counter behind it cannot be closed while `self` lives, so there is nobody to tell and nothing to do.
        if let Err(error) = self.0.wake() {
            tracing::error!(%error, "the data path cannot be woken");
        }
    }
}

/// The poll, edge-triggered.
#[derive(Debug)]
pub(crate) struct Readiness {
    poll: Poll,
    waker: Waker,
    events: Events,
}

impl Readiness {
    /// # Errors
    /// When the kernel has no descriptor or memory left.
    pub(crate) fn new(tun: &Tun, socket: &UdpSocket) -> io::Result<Self> {
        let poll = Poll::new()?;
        for (token, descriptor) in [(TUN, tun.as_fd().as_raw_fd()), (SOCKET, socket.as_fd().as_raw_fd())] {
            poll.registry().register(&mut SourceFd(&descriptor), token, Interest::READABLE)?;
        }
        let waker = Waker(Arc::new(mio::Waker::new(poll.registry(), WAKER)?));
        Ok(Self { poll, waker, events: Events::with_capacity(8) })
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until something begins to be ready, `timeout` at the most, and adds it to what was waiting.
    ///
    /// # Errors
    /// When the kernel cannot wait.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, waiting: &mut Waiting) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        for event in self.events.iter() {
            match event.token() {
                TUN => waiting.tun = true,
                SOCKET => waiting.socket = true,
                _ => waiting.orders = true,
            }
        }
        Ok(())
    }
}
