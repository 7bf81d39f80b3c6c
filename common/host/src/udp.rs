//! The UDP socket that carries the tunnel, with segmentation offload both ways.
//!
//! Each outer datagram may be fragmented on its way, or not (DF), as its sender says. The kernel's own idea of a path's
//! MTU is not asked: whoever forges an ICMP message can make it anything. IPv4 peers of a dual-stack socket appear under
//! their IPv4 addresses.

mod local_addresses;
mod receive;
mod send;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use local_addresses::LocalAddresses;

pub use receive::{ReceiveBuffers, Received};
pub use send::{OutgoingDatagram, SendReport};

/// A bound, unconnected, non-blocking UDP socket.
#[derive(Debug)]
pub struct UdpSocket {
    socket: Socket,
    state: UdpSocketState,
    local: SocketAddr,
    segmentation: send::Segmentation,
    /// What the socket is set to.
    may_fragment: bool,
    locals: LocalAddresses,
}

impl UdpSocket {
    /// Binds to this address. An IPv6 wildcard takes IPv4 as well.
    ///
    /// With a port of its own choosing, as a server has, the socket answers each peer from the address that the
    /// peer sent to; a datagram that gets no answer has no say in it. With port 0, as for a client, the kernel chooses, so that it follows a change of networks.
    ///
    /// # Errors
    ///
    /// [`BindError`] with the address and what the kernel said.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        Self::open(address, address.port() != 0).map_err(|source| BindError { address, source })
    }

    /// Binds to this port on all addresses, IPv6 and IPv4; on IPv4 alone where the host has no IPv6 sockets. Port 0
    /// takes a free one.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_any(port: u16) -> Result<Self, BindError> {
        let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        match Self::bind(both) {
            Err(error) if error.means_no_ipv6() => {
                Self::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
            }
            bound => bound,
        }
    }

    fn open(address: SocketAddr, answers_from_where_asked: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // After the state, which forbids fragmentation.
        platform::set_fragments(&socket, address.is_ipv6(), true)?;
        platform::enlarge_buffers(&socket);
        platform::ignore_unreachable_peers(&socket)?;
        let local = socket.local_addr()?.as_socket().unwrap_or(address);
        let segmentation = send::Segmentation::new(state.max_gso_segments());
        let locals = LocalAddresses::new(answers_from_where_asked);
        Ok(Self { socket, state, local, segmentation, may_fragment: true, locals })
    }

    /// The address and port that the socket is bound to.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// The address as this socket's family writes it: IPv4 becomes v4-mapped on a dual-stack socket.
    fn to_socket_family(&self, address: SocketAddr) -> SocketAddr {
        match (self.local.is_ipv6(), address) {
            (true, SocketAddr::V4(v4)) => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
            _ => address,
        }
    }
}

/// The address as the tunnel knows it: v4-mapped becomes IPv4.
fn to_canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::from((v4, address.port())),
        IpAddr::V6(_) => address,
    }
}

/// Why a socket could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on UDP {address}: {}", self.reason())]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

impl BindError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let port = self.address.port();
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                Some(format!("`ss -ulpn sport = :{port}` shows who has it; or choose another listen-port"))
            }
            io::ErrorKind::PermissionDenied => Some(format!("port {port} needs root: run it with sudo")),
            _ => None,
        }
    }

    fn reason(&self) -> String {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => "another program has this port".to_owned(),
            _ => self.source.to_string(),
        }
    }

    fn means_no_ipv6(&self) -> bool {
        self.source.raw_os_error() == Some(platform::NO_SUCH_FAMILY)
            || self.source.kind() == io::ErrorKind::AddrNotAvailable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_reported_with_the_command_that_shows_who_has_it() {
        let first = UdpSocket::bind_any(0).unwrap();
        let port = first.local_address().port();
        let error = UdpSocket::bind_any(port).unwrap_err();
        assert!(error.to_string().ends_with("another program has this port"), "{error}");
        assert!(error.hint().unwrap().contains(&format!("ss -ulpn sport = :{port}")));
    }

    #[test]
    fn a_v4_mapped_source_is_handed_on_as_ipv4() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:51820".parse().unwrap();
        assert_eq!(to_canonical(mapped), "192.0.2.1:51820".parse().unwrap());
        let native: SocketAddr = "[2001:db8::1]:51820".parse().unwrap();
        assert_eq!(to_canonical(native), native);
    }

    #[cfg(unix)]
    #[test]
    fn a_server_answers_from_the_address_that_was_asked() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let mut server = UdpSocket::open(any, true).unwrap();
        let port = server.local_address().port();
        // A connected socket takes answers from nowhere else than where it has sent to.
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        client.connect(("127.0.0.2", port)).unwrap();
        client.send(b"ask").unwrap();
        let mut buffers = ReceiveBuffers::new();
        server.receive_batch(&mut buffers).unwrap();
        let destination = buffers.iter().next().unwrap().source;

        let train = [0, 6].map(|start| OutgoingDatagram {
            destination,
            start,
            len: 6,
            ecn: 0,
            may_be_fragmented: true,
        });
        assert_eq!(server.send_batch(b"answeranswer", train.into_iter()), SendReport::default());
        for _ in 0..2 {
            let mut answer = [0; 16];
            let len = client.recv(&mut answer).unwrap();
            assert_eq!(&answer[..len], b"answer");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_stranger_neither_redirects_a_peer_nor_is_remembered() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let mut server = UdpSocket::open(any, true).unwrap();
        let port = server.local_address().port();
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let destination = client.local_addr().unwrap();
        let mut buffers = ReceiveBuffers::new();
        let answer = [OutgoingDatagram { destination, start: 0, len: 6, ecn: 0, may_be_fragmented: true }];

        client.send_to(b"ask", ("127.0.0.2", port)).unwrap();
        server.receive_batch(&mut buffers).unwrap();
        assert_eq!(server.send_batch(b"answer", answer.into_iter()), SendReport::default());
        // By another address, as if somebody else had forged the source; the tunnel answers nothing.
        client.send_to(b"forged", ("127.0.0.3", port)).unwrap();
        server.receive_batch(&mut buffers).unwrap();
        assert_eq!(server.send_batch(b"", std::iter::empty()), SendReport::default());

        assert_eq!(server.send_batch(b"answer", answer.into_iter()), SendReport::default());
        for _ in 0..2 {
            let (_, from) = client.recv_from(&mut [0; 16]).unwrap();
            assert_eq!(from, SocketAddr::from(([127, 0, 0, 2], port)));
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_address_that_this_host_has_no_longer_is_not_insisted_on() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let mut server = UdpSocket::open(any, true).unwrap();
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let destination = client.local_addr().unwrap();
        server.locals.claim(destination, "192.0.2.77".parse().unwrap());
        let one = OutgoingDatagram { destination, start: 0, len: 4, ecn: 0, may_be_fragmented: true };
        assert_eq!(server.send_batch(b"here", std::iter::once(one)), SendReport::default());
        assert_eq!(client.recv(&mut [0; 16]).unwrap(), 4);
        assert_eq!(server.locals.answer(destination), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_datagram_may_be_fragmented_or_not_as_its_sender_says() {
        use rustix::net::sockopt::{Ipv4PathMtuDiscovery, ip_mtu_discover};
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(mut socket) = UdpSocket::bind(address.parse().unwrap()) else {
                eprintln!("skipped: {address} is not on this host");
                continue;
            };
            assert_eq!(ip_mtu_discover(&socket).unwrap(), Ipv4PathMtuDiscovery::DONT);
            let destination = socket.local_address();
            let mut send = |may_be_fragmented| {
                let one = OutgoingDatagram { destination, start: 0, len: 4, ecn: 0, may_be_fragmented };
                assert_eq!(socket.send_batch(b"here", std::iter::once(one)), SendReport::default());
                ip_mtu_discover(&socket).unwrap()
            };
            assert_eq!(send(false), Ipv4PathMtuDiscovery::PROBE);
            assert_eq!(send(true), Ipv4PathMtuDiscovery::DONT);
        }
    }
}
