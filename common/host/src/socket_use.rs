//! Which local processes use an address.

mod process_name;
mod sock_diag;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};

use self::sock_diag::Found;

/// The port of SSH.
const SSH_PORT: u16 = 22;

/// A socket that is bound to, or connected from, one of the addresses that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketUse {
    /// TCP or UDP.
    pub protocol: SocketProtocol,
    /// The socket's own end.
    pub local: SocketAddr,
    /// The other end, where there is one.
    pub remote: Option<SocketAddr>,
    /// What it is doing.
    pub state: SocketState,
    /// The process that holds it, where that can be found out.
    pub process: Option<String>,
    /// Whether it is an SSH server's: by the process's name, or by the port that the connection came in by.
    pub is_ssh: bool,
    /// Bytes that the other end has acknowledged, of a TCP connection.
    pub bytes_acked: Option<u64>,
}

/// A socket's transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What a socket is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketState {
    /// Waits for connections, or is an unconnected UDP socket.
    Listening,
    /// Connected.
    Established,
    /// Being connected or closed.
    Other,
}

/// The live IPv6 sockets of this network namespace whose local address is one of `addresses`.
///
/// # Errors
/// If the kernel refuses the dump.
pub fn bound_sockets(addresses: &[Ipv6Addr]) -> io::Result<Vec<SocketUse>> {
    let sockets = sock_diag::dump()?;
    let mut names = process_name::of_sockets(&inodes_worth_a_name(&sockets, addresses));
    let ssh_ports: BTreeSet<u16> = sockets
        .iter()
        .filter(|s| s.is_tcp_listener() && names.get(&s.inode).is_some_and(|name| is_sshd(name)))
        .map(|s| s.local.port())
        .chain([SSH_PORT])
        .collect();
    let mut uses = Vec::new();
    for socket in sockets.into_iter().filter(|socket| socket.is_at(addresses)) {
        let process = names.remove(&socket.inode);
        let came_in = socket.protocol == SocketProtocol::Tcp
            && socket.state != SocketState::Listening
            && ssh_ports.contains(&socket.local.port());
        let is_ssh = came_in || process.as_deref().is_some_and(is_sshd);
        let Found { protocol, local, remote, state, bytes_acked, .. } = socket;
        uses.push(SocketUse { protocol, local, remote, state, process, is_ssh, bytes_acked });
    }
    Ok(uses)
}

/// The sockets asked for, and the TCP listeners, one of which may be the SSH server.
fn inodes_worth_a_name(sockets: &[Found], addresses: &[Ipv6Addr]) -> BTreeSet<u32> {
    if !sockets.iter().any(|socket| socket.is_at(addresses)) {
        return BTreeSet::new();
    }
    let wanted = sockets.iter().filter(|socket| socket.is_at(addresses) || socket.is_tcp_listener());
    wanted.map(|socket| socket.inode).filter(|inode| *inode != 0).collect()
}

/// `sshd`, `sshd-session`, `sshd-auth`.
fn is_sshd(process: &str) -> bool {
    process.starts_with("sshd")
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;
    use crate::network::{Change, Network};

    #[test]
    fn sockets_on_an_address_are_found_with_their_process() {
        let Ok(listener) = TcpListener::bind("[::1]:0") else {
            eprintln!("skipped: no IPv6 loopback here");
            return;
        };
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("::1", port)).unwrap();
        let datagrams = UdpSocket::bind("[::1]:0").unwrap();

        let found = bound_sockets(&[Ipv6Addr::LOCALHOST]).unwrap();

        let by_local = |local: SocketAddr| found.iter().find(|s| s.local == local).unwrap();
        let listening = by_local(listener.local_addr().unwrap());
        let listening = found.iter().find(|s| s.local == listening.local && s.remote.is_none()).unwrap();
        assert_eq!(listening.state, SocketState::Listening);
        assert!(listening.process.is_some());
        let connected = by_local(client.local_addr().unwrap());
        assert_eq!(connected.remote, Some(listener.local_addr().unwrap()));
        assert_eq!(connected.state, SocketState::Established);
        assert!(!connected.is_ssh);
        assert!(connected.bytes_acked.is_some());
        assert_eq!(by_local(datagrams.local_addr().unwrap()).protocol, SocketProtocol::Udp);
    }

    #[test]
    fn a_connection_to_the_ssh_port_is_the_administrators() {
        let test = std::thread::spawn(|| {
            if let Err(error) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
                eprintln!("skipped: a network namespace needs root: {error}");
                return;
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let up = Change::SetLinkUp { link: "lo".into(), mtu: 65536 };
                Network::open().unwrap().apply(&up).await.unwrap();
            });
            let listener = TcpListener::bind(("::1", SSH_PORT)).unwrap();
            let client = TcpStream::connect(("::1", SSH_PORT)).unwrap();
            let (server, _) = listener.accept().unwrap();

            let found = bound_sockets(&[Ipv6Addr::LOCALHOST]).unwrap();

            let is_ssh: Vec<(SocketAddr, bool)> =
                found.iter().filter(|s| s.remote.is_some()).map(|s| (s.local, s.is_ssh)).collect();
            assert_eq!(is_ssh.len(), 2, "{found:?}");
            assert!(is_ssh.contains(&(server.local_addr().unwrap(), true)));
            assert!(is_ssh.contains(&(client.local_addr().unwrap(), false)));
        });
        test.join().unwrap();
    }

    #[test]
    fn sockets_elsewhere_are_not_reported() {
        assert_eq!(bound_sockets(&["2001:db8::1".parse().unwrap()]).unwrap(), []);
    }
}
