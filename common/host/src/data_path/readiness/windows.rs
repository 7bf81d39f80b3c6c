//! One wait over three events: the waker's own, the socket's (`WSAEventSelect`) and that of wintun's ring.
//!
//! All three reset themselves when a wait has seen them. The ring's event is wintun's own (`WintunGetReadWaitEvent`),
//! so that no thread stands between the ring and the tunnel.

#![expect(unsafe_code, reason = "events have no safe wrapper")]

use std::{
    io,
    os::windows::io::{AsRawHandle, AsRawSocket, FromRawHandle, OwnedHandle, RawHandle},
    ptr,
    sync::Arc,
    time::Duration,
};

use windows_sys::Win32::{
    Foundation::{HANDLE, WAIT_FAILED, WAIT_OBJECT_0, WAIT_TIMEOUT},
    Networking::WinSock::{FD_CLOSE, FD_READ, SOCKET, WSAEventSelect, WSAGetLastError},
    System::Threading::{CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects},
};

use super::Waiting;
use crate::{tun::Tun, udp::UdpSocket};

/// The events, in the order in which they are looked at.
const ORDERS: usize = 0;
const SOCKET_READABLE: usize = 1;
const TUN: usize = 2;

/// Wakes the data path from any thread, to look at its engine's orders.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedHandle>);

impl Waker {
    /// Wakes it. Many calls before it looks are as one.
    pub fn wake(&self) {
        // SAFETY: the event is open for as long as `self` lives.
        let is_set = unsafe { SetEvent(self.0.as_raw_handle()) };
        if is_set == 0 {
            let error = io::Error::last_os_error();
            tracing::error!(%error, "the data path cannot be woken");
        }
    }
}

/// The events that are waited for.
#[derive(Debug)]
pub(crate) struct Readiness {
    waker: Waker,
    socket: OwnedHandle,
    /// Wintun's, open for as long as the session that the data path owns.
    tun: RawHandle,
}

// SAFETY: a handle of an event may be used by any thread.
unsafe impl Send for Readiness {}

impl Readiness {
    /// # Errors
    /// When Windows has no event left, or the session tells none.
    pub(crate) fn new(tun: &Tun, socket: &UdpSocket) -> io::Result<Self> {
        let readable = new_event()?;
        select(socket, &readable)?;
        Ok(Self { waker: Waker(Arc::new(new_event()?)), socket: readable, tun: tun.read_event()? })
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until something begins to be ready, `timeout` at the most, and adds it to what was waiting.
    ///
    /// # Errors
    /// When Windows cannot wait.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, waiting: &mut Waiting) -> io::Result<()> {
        let events: [HANDLE; 3] = [self.waker.0.as_raw_handle(), self.socket.as_raw_handle(), self.tun];
        let (mut first, mut milliseconds) = (0, timeout.map_or(INFINITE, whole_milliseconds));
        // A wait sees one event alone: those behind it are asked for as well, so that none starves.
        while let Some(rest) = events.get(first..).filter(|rest| !rest.is_empty()) {
            let Some(seen) = wait_for_one(rest, milliseconds)? else { break };
            match first + seen {
                ORDERS => waiting.orders = true,
                SOCKET_READABLE => waiting.socket = true,
                TUN => waiting.tun = true,
                _ => {}
            }
            first += seen + 1;
            milliseconds = 0;
        }
        Ok(())
    }
}

/// Which of the events is set, and resets it; `None` if none was in time.
fn wait_for_one(events: &[HANDLE], milliseconds: u32) -> io::Result<Option<usize>> {
    let count = u32::try_from(events.len()).unwrap_or(0);
    // SAFETY: all handles are open, and `count` of them are there.
    let outcome = unsafe { WaitForMultipleObjects(count, events.as_ptr(), 0, milliseconds) };
    match outcome {
        WAIT_FAILED => Err(io::Error::last_os_error()),
        WAIT_TIMEOUT => Ok(None),
        seen => {
            Ok(usize::try_from(seen.wrapping_sub(WAIT_OBJECT_0)).ok().filter(|seen| *seen < events.len()))
        }
    }
}

/// An event that resets itself.
fn new_event() -> io::Result<OwnedHandle> {
    // SAFETY: no attributes and no name are given.
    let event = unsafe { CreateEventW(ptr::null(), 0, 0, ptr::null()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle has just been made, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(event) })
}

/// Lets the event be set whenever a datagram begins to wait.
fn select(socket: &UdpSocket, event: &OwnedHandle) -> io::Result<()> {
    let wanted = (FD_READ | FD_CLOSE).cast_signed();
    let socket = socket.as_raw_socket() as SOCKET;
    // SAFETY: socket and event are open.
    let outcome = unsafe { WSAEventSelect(socket, event.as_raw_handle() as isize, wanted) };
    if outcome == 0 {
        return Ok(());
    }
    // SAFETY: it only reads the thread's last error.
    Err(io::Error::from_raw_os_error(unsafe { WSAGetLastError() }))
}

/// Rounded up, so that a deadline has passed when it is over.
fn whole_milliseconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(INFINITE - 1).min(INFINITE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_never_ends_before_its_time_and_never_becomes_endless() {
        assert_eq!(whole_milliseconds(Duration::ZERO), 0);
        assert_eq!(whole_milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(whole_milliseconds(Duration::from_millis(250)), 250);
        assert_eq!(whole_milliseconds(Duration::from_secs(u64::MAX)), INFINITE - 1);
    }
}
