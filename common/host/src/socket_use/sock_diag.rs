//! The kernel's list of sockets (`inet_diag`).

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET6, IPPROTO_TCP, IPPROTO_UDP};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};
use netlink_sys::{Socket, SocketAddr as NetlinkAddr, protocols::NETLINK_SOCK_DIAG};

use super::{SocketProtocol, SocketState};

/// `TCP_ESTABLISHED`; a connected UDP socket has it too.
const ESTABLISHED: u8 = 1;
/// `TCP_LISTEN`.
const LISTEN: u8 = 10;
/// `TCP_CLOSE`, which is also the state of an unconnected UDP socket.
const CLOSE: u8 = 7;

/// One socket of the kernel's list.
pub(super) struct Found {
    pub(super) protocol: SocketProtocol,
    pub(super) local: SocketAddr,
    pub(super) remote: Option<SocketAddr>,
    pub(super) state: SocketState,
    pub(super) inode: u32,
    /// Of TCP.
    pub(super) bytes_acked: Option<u64>,
}

impl Found {
    pub(super) fn is_at(&self, addresses: &[Ipv6Addr]) -> bool {
        matches!(self.local.ip(), IpAddr::V6(address) if addresses.contains(&address))
    }

    pub(super) fn is_tcp_listener(&self) -> bool {
        self.protocol == SocketProtocol::Tcp && self.state == SocketState::Listening
    }
}

/// Every live TCP and UDP socket of the family IPv6 in this network namespace.
pub(super) fn dump() -> io::Result<Vec<Found>> {
    let mut sockets = dump_protocol(SocketProtocol::Tcp)?;
    sockets.extend(dump_protocol(SocketProtocol::Udp)?);
    Ok(sockets)
}

fn dump_protocol(protocol: SocketProtocol) -> io::Result<Vec<Found>> {
    let (number, states, extensions) = match protocol {
        SocketProtocol::Tcp => {
            let live = StateFlags::all() - StateFlags::TIME_WAIT - StateFlags::CLOSE;
            (IPPROTO_TCP, live, ExtensionFlags::INFO)
        }
        SocketProtocol::Udp => (IPPROTO_UDP, StateFlags::all(), ExtensionFlags::empty()),
    };
    let mut message = NetlinkMessage::from(SockDiagMessage::InetRequest(InetRequest {
        family: AF_INET6,
        protocol: number,
        extensions,
        states,
        socket_id: SocketId::new_v6(),
    }));
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.finalize();
    let mut request = vec![0; message.buffer_len()];
    message.serialize(&mut request);

    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&NetlinkAddr::new(0, 0))?;
    socket.send(&request, 0)?;
    receive(&socket, protocol)
}

fn receive(socket: &Socket, protocol: SocketProtocol) -> io::Result<Vec<Found>> {
    let mut sockets = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(io::Error::other)?;
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(sockets),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                    sockets.push(found(protocol, &response));
                }
                _ => {}
            }
            let length = (message.header.length as usize).next_multiple_of(4).max(16);
            rest = rest.get(length..).unwrap_or(&[]);
        }
    }
}

fn found(protocol: SocketProtocol, response: &InetResponse) -> Found {
    let header = &response.header;
    let id = &header.socket_id;
    let end = |address, port| match address {
        IpAddr::V6(address) => {
            let scope = if address.is_unicast_link_local() { id.interface_id } else { 0 };
            SocketAddr::V6(SocketAddrV6::new(address, port, 0, scope))
        }
        IpAddr::V4(address) => SocketAddr::from((address, port)),
    };
    let state = match (protocol, header.state) {
        (_, ESTABLISHED) => SocketState::Established,
        (SocketProtocol::Tcp, LISTEN) | (SocketProtocol::Udp, CLOSE) => SocketState::Listening,
        _ => SocketState::Other,
    };
    let remote = (id.destination_port != 0).then(|| end(id.destination_address, id.destination_port));
    Found {
        protocol,
        local: end(id.source_address, id.source_port),
        remote,
        state,
        inode: header.inode,
        bytes_acked: bytes_acked(&response.nlas),
    }
}

/// `tcpi_bytes_acked` of `struct tcp_info` (linux/tcp.h), since Linux 4.1.
fn bytes_acked(attributes: &[Nla]) -> Option<u64> {
    const PLACE: usize = 120;
    let info = attributes.iter().find_map(|attribute| match attribute {
        Nla::TcpInfo(info) => Some(info),
        _ => None,
    })?;
    Some(u64::from_ne_bytes(info.get(PLACE..PLACE + 8)?.try_into().ok()?))
}
