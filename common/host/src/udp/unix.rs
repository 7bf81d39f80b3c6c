//! Socket options beyond the defaults of `quinn-udp`, and what the kernel's refusals mean.

#![expect(unsafe_code, reason = "IPV6_DONTFRAG has no safe wrapper")]

use std::{
    io::{self, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};

use rustix::{
    io::Errno,
    net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
        set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force,
    },
};
use socket2::Socket;

use super::UdpSocket;
use crate::limits::SOCKET_BUFFER_LEN;

/// What the kernel says where it has no IPv6 at all.
pub(super) const NO_SUCH_FAMILY: i32 = libc::EAFNOSUPPORT;

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Fills as many buffers as one call of the kernel does.
pub(super) fn receive(
    state: &UdpSocketState,
    socket: &Socket,
    buffers: &mut [IoSliceMut<'_>],
    metas: &mut [RecvMeta],
) -> io::Result<usize> {
    state.recv(UdpSockRef::from(socket), buffers, metas)
}

/// Whether the source address may be what the kernel refuses.
pub(super) fn says_bad_source(error: &io::Error) -> bool {
    let refusals = [libc::EINVAL, libc::EADDRNOTAVAIL, libc::ENETUNREACH, libc::EHOSTUNREACH, libc::ENODEV];
    error.raw_os_error().is_some_and(|number| refusals.contains(&number))
}

/// Whether the socket, or the device below it, takes no more at the moment.
pub(super) fn says_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Whether the datagram is longer than the kernel sends.
pub(super) fn says_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// Whether the device can segment nothing, ever.
pub(super) fn says_no_segmentation(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EIO)
}

/// Whether a segment does not fit the path in one piece, as only whole ones are segmented.
pub(super) fn says_segment_too_long(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EMSGSIZE))
}

/// An unconnected socket is told of no peer that cannot be reached.
pub(super) fn ignore_unreachable_peers(_socket: &Socket) -> io::Result<()> {
    Ok(())
}

/// Lets this host and the routers cut outgoing datagrams that are longer than the path, or forbids it; what is longer
/// than the own link is refused then. PROBE is both DF and deaf to what ICMP says of the path (`ip(7)`).
pub(super) fn set_fragments(socket: &Socket, is_ipv6: bool, allowed: bool) -> io::Result<()> {
    let (four, six) = match allowed {
        true => (Ipv4PathMtuDiscovery::DONT, Ipv6PathMtuDiscovery::DONT),
        false => (Ipv4PathMtuDiscovery::PROBE, Ipv6PathMtuDiscovery::PROBE),
    };
    // An IPv6 socket needs the IPv4 option too, for its v4-mapped peers.
    set_ip_mtu_discover(socket, four)?;
    if is_ipv6 {
        set_ipv6_mtu_discover(socket, six)?;
        set_ipv6_dont_fragment(socket, !allowed)?;
    }
    Ok(())
}

fn set_ipv6_dont_fragment(socket: &Socket, is_set: bool) -> io::Result<()> {
    let value = libc::c_int::from(is_set);
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open while `socket` is borrowed, and the option is read from `len` bytes at `value`.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_DONTFRAG,
            (&raw const value).cast(),
            len,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Enlarges both buffers: beyond the administrator's bounds with `CAP_NET_ADMIN`, up to them without. A small
/// buffer is slower, not wrong, so a refusal is only noted.
pub(super) fn enlarge_buffers(socket: &Socket) {
    let receive = set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER_LEN)
        .or_else(|_: Errno| socket.set_recv_buffer_size(SOCKET_BUFFER_LEN));
    let send = set_socket_send_buffer_size_force(socket, SOCKET_BUFFER_LEN)
        .or_else(|_: Errno| socket.set_send_buffer_size(SOCKET_BUFFER_LEN));
    if let Err(error) = receive.and(send) {
        tracing::debug!(%error, "the socket's buffers keep their size");
    }
}
