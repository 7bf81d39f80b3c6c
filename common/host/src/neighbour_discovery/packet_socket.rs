//! A packet socket that hears all ICMPv6 of some types on one link, whoever it is for, also what this host sends.

#![expect(unsafe_code, reason = "the link-layer address of a packet socket has no safe wrapper")]

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::message::{IPV6_HEADER_LEN, NEXT_HEADER_ICMPV6};
use crate::async_descriptor::register;

/// Bytes kept of one packet: what an ICMPv6 error quotes of the header that caused it ends at 88.
const PACKET_LEN: usize = 128;

/// Hears the ICMPv6 messages of its types that pass a link in either direction. The kernel's filter drops all others
/// before they are queued, so that a busy link costs nothing.
#[derive(Debug)]
pub(super) struct PacketSocket(AsyncFd<OwnedFd>);

impl PacketSocket {
    /// Listens on the link of this index. Must be called within a tokio runtime that has I/O enabled.
    pub(super) fn open<const N: usize>(link_index: u32, types: [u8; N]) -> io::Result<Self> {
        // Of no protocol it hears nothing until it is bound, and so nothing without the filter.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
        socket.attach_filter(&filter(types))?;
        socket.set_nonblocking(true)?;
        socket.bind(&every_packet_on(link_index)?)?;
        Ok(Self(register(socket.into())?))
    }

    /// Waits for the next packet that `read` makes something of. Nothing is lost when it is dropped.
    pub(super) async fn next<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> io::Result<T> {
        loop {
            let mut ready = self.0.readable().await?;
            let received = ready.try_io(|socket| {
                let mut buffer = [0; PACKET_LEN];
                let length = receive(socket.get_ref(), &mut buffer)?;
                Ok(read(buffer.get(..length).unwrap_or(&buffer)))
            });
            match received {
                Ok(Ok(None)) | Err(_) => {}
                Ok(Ok(Some(found))) => return Ok(found),
                Ok(Err(error)) => return Err(error),
            }
        }
    }
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the descriptor is open while `socket` is borrowed, and the buffer is writable for its length.
    let length = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// The address that all packets of a link are heard at, `packet(7)`: only of `ETH_P_ALL` are those that leave.
fn every_packet_on(link_index: u32) -> io::Result<SockAddr> {
    let index = i32::try_from(link_index).map_err(|_| io::ErrorKind::InvalidInput)?;
    let every = u16::try_from(libc::ETH_P_ALL).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the addresses that the storage is for.
    let address: &mut libc::sockaddr_ll = unsafe { storage.view_as() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = every.to_be();
    address.sll_ifindex = index;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the family says that it is a `sockaddr_ll`, and the length is that of one.
    Ok(unsafe { SockAddr::new(storage, length) })
}

/// A classic BPF program (`linux/filter.h`) over a packet from its IPv6 header on.
fn filter<const N: usize>(types: [u8; N]) -> Vec<SockFilter> {
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const VERSION: u32 = 0x60;
    let steps = |code, jump_if, jump_else, operand| SockFilter::new(code, jump_if, jump_else, operand);
    // How many steps are left to the one that drops, behind the three that follow and one for each type.
    let count = u8::try_from(N).expect("a handful of types");
    let mut program = vec![
        steps(LOAD_BYTE, 0, 0, 0),
        steps(AND, 0, 0, 0xf0),
        steps(JUMP_IF_EQUAL, 0, count + 3, VERSION),
        steps(LOAD_BYTE, 0, 0, 6),
        steps(JUMP_IF_EQUAL, 0, count + 1, NEXT_HEADER_ICMPV6.into()),
        steps(LOAD_BYTE, 0, 0, IPV6_HEADER_LEN as u32),
    ];
    for (left, kind) in (0..count).rev().zip(types) {
        program.push(steps(JUMP_IF_EQUAL, left + 1, 0, kind.into()));
    }
    program.push(steps(RETURN, 0, 0, 0));
    program.push(steps(RETURN, 0, 0, u32::MAX));
    program
}
