//! Socket options beyond the defaults of `quinn-udp`, and what Winsock's refusals mean.

#![expect(unsafe_code, reason = "these options have no safe wrapper")]

use std::{
    io::{self, IoSliceMut},
    os::windows::io::{AsRawSocket, RawSocket},
    ptr,
};

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::Socket;
use windows_sys::Win32::Networking::WinSock::{
    IP_DONTFRAGMENT, IPPROTO_IP, IPPROTO_IPV6, IPV6_DONTFRAG, SIO_UDP_CONNRESET, SOCKET, WSAEADDRNOTAVAIL,
    WSAEAFNOSUPPORT, WSAEHOSTUNREACH, WSAEINVAL, WSAEMSGSIZE, WSAENETUNREACH, WSAENOBUFS, WSAEOPNOTSUPP,
    WSAGetLastError, WSAIoctl, setsockopt,
};

use super::UdpSocket;
use crate::limits::SOCKET_BUFFER_LEN;

/// What Winsock says where there is no IPv6 at all.
pub(super) const NO_SUCH_FAMILY: i32 = WSAEAFNOSUPPORT;

impl AsRawSocket for UdpSocket {
    fn as_raw_socket(&self) -> RawSocket {
        self.socket.as_raw_socket()
    }
}

/// Fills buffer after buffer until nothing waits: one call of Winsock receives one datagram.
pub(super) fn receive(
    state: &UdpSocketState,
    socket: &Socket,
    buffers: &mut [IoSliceMut<'_>],
    metas: &mut [RecvMeta],
) -> io::Result<usize> {
    let mut filled = 0;
    for (buffer, meta) in buffers.chunks_mut(1).zip(metas.chunks_mut(1)) {
        match state.recv(UdpSockRef::from(socket), buffer, meta) {
            Ok(count) => filled += count,
            // What was received comes first; an error shows again, or has passed.
            Err(_) if filled > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Lets this host and the routers cut outgoing datagrams that are longer than the path, or forbids it.
pub(super) fn set_fragments(socket: &Socket, is_ipv6: bool, allowed: bool) -> io::Result<()> {
    // An IPv6 socket needs the IPv4 option too, for its v4-mapped peers.
    set_option(socket, (IPPROTO_IP, IP_DONTFRAGMENT), !allowed)?;
    if is_ipv6 {
        set_option(socket, (IPPROTO_IPV6, IPV6_DONTFRAG), !allowed)?;
    }
    Ok(())
}

fn set_option(socket: &Socket, (level, name): (i32, i32), is_set: bool) -> io::Result<()> {
    let value = u32::from(is_set);
    let len = size_of::<u32>() as i32;
    // SAFETY: the socket is open while it is borrowed, and the option is read from `len` bytes at `value`.
    let outcome =
        unsafe { setsockopt(socket.as_raw_socket() as SOCKET, level, name, (&raw const value).cast(), len) };
    if outcome == 0 { Ok(()) } else { Err(last_error()) }
}

/// Enlarges both buffers. A small one is slower, not wrong, so a refusal is only noted.
pub(super) fn enlarge_buffers(socket: &Socket) {
    let receive = socket.set_recv_buffer_size(SOCKET_BUFFER_LEN);
    let send = socket.set_send_buffer_size(SOCKET_BUFFER_LEN);
    if let Err(error) = receive.and(send) {
        tracing::debug!(%error, "the socket's buffers keep their size");
    }
}

/// Keeps a peer that cannot be reached from failing receives, which tell of it by default (`SIO_UDP_CONNRESET`).
pub(super) fn ignore_unreachable_peers(socket: &Socket) -> io::Result<()> {
    let off = 0_u32;
    let len = size_of::<u32>() as u32;
    let mut returned = 0;
    // SAFETY: the socket is open while it is borrowed, the value is read from `len` bytes at `off`, nothing is written
    // but `returned`, and the call does not outlive this one as it is not overlapped.
    let outcome = unsafe {
        WSAIoctl(
            socket.as_raw_socket() as SOCKET,
            SIO_UDP_CONNRESET,
            (&raw const off).cast(),
            len,
            ptr::null_mut(),
            0,
            &mut returned,
            ptr::null_mut(),
            None,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(last_error()) }
}

/// Whether the source address may be what is refused.
pub(super) fn says_bad_source(error: &io::Error) -> bool {
    let refusals = [WSAEINVAL, WSAEADDRNOTAVAIL, WSAENETUNREACH, WSAEHOSTUNREACH];
    error.raw_os_error().is_some_and(|number| refusals.contains(&number))
}

/// Whether the socket takes no more at the moment.
pub(super) fn says_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(WSAENOBUFS)
}

/// Whether the datagram is longer than Windows sends.
pub(super) fn says_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(WSAEMSGSIZE)
}

/// Whether segmentation is not to be had at all.
pub(super) fn says_no_segmentation(error: &io::Error) -> bool {
    error.raw_os_error() == Some(WSAEOPNOTSUPP)
}

/// Whether a segment does not fit the path in one piece, as only whole ones are segmented.
pub(super) fn says_segment_too_long(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(WSAEINVAL | WSAEMSGSIZE))
}

fn last_error() -> io::Error {
    // SAFETY: it only reads the thread's last error.
    io::Error::from_raw_os_error(unsafe { WSAGetLastError() })
}
