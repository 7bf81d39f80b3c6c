//! Socket options beyond the defaults of `quinn-udp`.

#![expect(unsafe_code, reason = "IPV6_DONTFRAG has no safe wrapper")]

use std::{io, os::fd::AsRawFd};

use rustix::{
    io::Errno,
    net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
        set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force,
    },
};
use socket2::Socket;

use crate::limits::SOCKET_BUFFER_LEN;

/// Lets this host and the routers cut outgoing datagrams that are longer than the path.
pub(super) fn allow_fragments(socket: &Socket, is_ipv6: bool) -> io::Result<()> {
    // An IPv6 socket needs the IPv4 option too, for its v4-mapped peers.
    set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?;
    if is_ipv6 {
        set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DONT)?;
        allow_ipv6_fragments(socket)?;
    }
    Ok(())
}

fn allow_ipv6_fragments(socket: &Socket) -> io::Result<()> {
    let off: libc::c_int = 0;
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open while `socket` is borrowed, and the option is read from `len` bytes at `off`.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_DONTFRAG,
            (&raw const off).cast(),
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
