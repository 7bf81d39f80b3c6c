//! How much the kernel lets wait for this process.

#![expect(unsafe_code, reason = "this ioctl has no safe wrapper")]

use std::{io, mem};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::limits::TUN_QUEUE_LEN;

/// Gives the device the queue length of [`TUN_QUEUE_LEN`].
///
/// The kernel drops what the queue has no room for, which is what tells a TCP sender of the path's speed: so a queue's
/// length in time is the delay that a download adds for everybody else.
pub(super) fn shorten(name: &str) -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: of this structure of numbers all zero is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_metric = TUN_QUEUE_LEN;
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: the socket is open, and the request is a name that ends with a zero, and a number.
    match unsafe { libc::ioctl(descriptor, libc::SIOCSIFTXQLEN, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
