//! A raw socket that hears what the neighbours on one link say of addresses.

#![expect(unsafe_code, reason = "the ICMPv6 filter and ancillary data have no safe wrapper")]

use std::{
    io,
    net::{Ipv6Addr, SocketAddrV6},
    os::fd::{AsRawFd, OwnedFd},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::{TYPE_NEIGHBOUR_ADVERTISEMENT, message::Arrived, message::TYPE_NEIGHBOUR_SOLICITATION};
use crate::async_descriptor::register;

/// `ICMPV6_FILTER` of `linux/icmpv6.h`.
const ICMPV6_FILTER: libc::c_int = 1;
/// Bytes kept of one message: fixed part and a few options. A longer one is none of ours.
const MESSAGE_LEN: usize = 512;
/// Bytes for hop limit and packet information, twice what they take.
const CONTROL_LEN: usize = 128;

/// Hears neighbour solicitations and advertisements that arrive on one link, for this host or for a group.
#[derive(Debug)]
pub(super) struct Icmpv6Socket {
    socket: AsyncFd<OwnedFd>,
    link_index: u32,
}

impl Icmpv6Socket {
    /// Listens on a link, in this multicast group, too. Must be called within a tokio runtime that has I/O enabled.
    pub(super) fn open(link_name: &str, link_index: u32, group: Ipv6Addr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        let wanted = [TYPE_NEIGHBOUR_SOLICITATION, TYPE_NEIGHBOUR_ADVERTISEMENT];
        pass_only(&socket, &wanted)?;
        socket.bind_device(Some(link_name.as_bytes()))?;
        socket.set_recv_hoplimit_v6(true)?;
        ask_for_packet_information(&socket)?;
        socket.set_nonblocking(true)?;
        socket.join_multicast_v6(&group, link_index)?;
        Ok(Self { socket: register(socket.into())?, link_index })
    }

    /// Waits for the next message and makes something of it. Nothing is lost when it is dropped.
    pub(super) async fn next<T>(&self, read: impl Fn(Arrived<'_>) -> Option<T>) -> io::Result<T> {
        loop {
            let mut ready = self.socket.readable().await?;
            match ready.try_io(|socket| self.receive(socket.get_ref(), &read)) {
                Ok(Ok(None)) | Err(_) => {}
                Ok(Ok(Some(found))) => return Ok(found),
                Ok(Err(error)) => return Err(error),
            }
        }
    }

    fn receive<T>(&self, socket: &OwnedFd, read: impl Fn(Arrived<'_>) -> Option<T>) -> io::Result<Option<T>> {
        let mut buffer = [0; MESSAGE_LEN];
        let received = receive_with_control(socket, &mut buffer)?;
        let Some((hop_limit, destination, link_index)) = received.facts() else { return Ok(None) };
        if link_index != self.link_index || received.is_cut {
            return Ok(None);
        }
        let bytes = buffer.get(..received.length).unwrap_or(&[]);
        Ok(read(Arrived { source: received.source, destination, hop_limit, bytes }))
    }
}

/// Sends a whole IPv6 packet, its own header included, over a link: to a multicast group there, or to where the
/// link's routes lead.
pub(super) fn send_packet(packet: &[u8], link_name: &str, link_index: u32, to: Ipv6Addr) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
    socket.bind_device(Some(link_name.as_bytes()))?;
    socket.set_multicast_if_v6(link_index)?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_nonblocking(true)?;
    let sent = socket.send_to(packet, &SockAddr::from(SocketAddrV6::new(to, 0, 0, link_index)))?;
    if sent == packet.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Lets through these ICMPv6 types alone.
fn pass_only(socket: &Socket, types: &[u8]) -> io::Result<()> {
    // One bit for each type; a set one blocks.
    let mut blocked = [u32::MAX; 8];
    for kind in types {
        blocked[usize::from(kind >> 5)] &= !(1 << (kind & 31));
    }
    set_option(socket, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &blocked)
}

/// Asks for the destination and the link of each message.
fn ask_for_packet_information(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &on)
}

/// `T` is plain numbers.
fn set_option<T: Copy>(socket: &Socket, level: i32, name: i32, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the descriptor is open while `socket` is borrowed, and `length` bytes are readable at `value`.
    let outcome = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

struct Received {
    length: usize,
    is_cut: bool,
    source: Ipv6Addr,
    /// The kernel's control messages, and zeros behind them.
    control: [u8; CONTROL_LEN],
}

fn receive_with_control(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = Control([0; CONTROL_LEN]);
    // SAFETY: of a socket address all zeros are a valid value.
    let mut name: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: of a message header all zeros are a valid value; its private fields are padding.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_LEN as _;
    // SAFETY: the descriptor is open, and all that the header points to lives until the call has returned.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    Ok(Received {
        length,
        is_cut: header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0,
        source: Ipv6Addr::from(name.sin6_addr.s6_addr),
        control: control.0,
    })
}

/// Aligned as the kernel's headers within it.
#[repr(align(8))]
struct Control([u8; CONTROL_LEN]);

impl Received {
    /// Hop limit, destination and link, if the kernel gave them all.
    fn facts(&self) -> Option<(u32, Ipv6Addr, u32)> {
        let (mut hop_limit, mut packet) = (None, None);
        let mut rest = self.control.as_slice();
        while let Some(ControlMessage { level, kind, body, next }) = first_control_message(rest) {
            match (level, kind) {
                (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => hop_limit = number(body, 0),
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let address: [u8; 16] = body.get(..16)?.try_into().ok()?;
                    packet = Some((Ipv6Addr::from(address), number(body, 16)?));
                }
                _ => {}
            }
            rest = next;
        }
        let (destination, link_index) = packet?;
        Some((hop_limit?, destination, link_index))
    }
}

/// A `cmsghdr` of `cmsg(3)`, its body, and what follows it.
struct ControlMessage<'a> {
    level: i32,
    kind: i32,
    body: &'a [u8],
    next: &'a [u8],
}

fn first_control_message(bytes: &[u8]) -> Option<ControlMessage<'_>> {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = WORD + 8;
    let length = usize::from_ne_bytes(bytes.get(..WORD)?.try_into().ok()?);
    let level = number(bytes, WORD)?.cast_signed();
    let kind = number(bytes, WORD + 4)?.cast_signed();
    let body = bytes.get(HEADER.next_multiple_of(WORD)..length)?;
    let next = bytes.get(length.checked_next_multiple_of(WORD)?..).unwrap_or(&[]);
    Some(ControlMessage { level, kind, body, next })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}
