//! Answers neighbour solicitations for addresses that are reached through this host (RFC 4861, section 7.2), in the place
//! of the kernel's neighbour proxy.
//!
//! The kernel answers from its link-local address and without Override (`net/ipv6/ndisc.c`); some gateways take answers
//! from the address itself alone. These are, with Override, so that who knows the address elsewhere changes its mind.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::icmpv6_socket::send_packet;
use super::message::{
    Arrived, IPV6_HEADER_LEN, Question, TYPE_NEIGHBOUR_SOLICITATION, advertisement, solicited_node,
};
use super::packet_socket::PacketSocket;
use super::{ALL_NODES, FLAG_OVERRIDE, FLAG_ROUTER, FLAG_SOLICITED};
use crate::network::{Link, Network, NetworkError};

/// How long it rests where the link cannot be listened to: it may be gone, or be made anew.
const REST: Duration = Duration::from_secs(1);

type Addresses = Arc<Mutex<BTreeSet<Ipv6Addr>>>;

/// Answers on one link, for addresses that come and go, until it is dropped.
#[derive(Debug)]
pub struct Responder {
    addresses: Addresses,
    /// Holds the memberships of the addresses' solicited-node groups, so that switches hand the questions on.
    groups: Socket,
    link: Link,
    task: JoinHandle<()>,
}

impl Responder {
    /// Begins to listen on the link of this name. Must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    /// If there is no such link, or the process may not open packet sockets.
    pub async fn start(network: &Network, link: &str) -> Result<Self, NetworkError> {
        let failed = |e| NetworkError::new(format!("answer neighbour solicitations on {link}"), e);
        let listening = Listening::start(network, link).await.map_err(failed)?;
        let groups = Socket::new(Domain::IPV6, Type::DGRAM, None).map_err(failed)?;
        let (addresses, link) = (Addresses::default(), listening.link.clone());
        let task = tokio::spawn(answer(listening, network.clone(), addresses.clone()));
        Ok(Self { addresses, groups, link, task })
    }

    /// Answers for the address from now on, and tells all nodes on the link that it is here.
    ///
    /// # Errors
    /// If the link takes no packet. It is answered for all the same.
    pub fn add(&self, address: Ipv6Addr) -> io::Result<()> {
        let is_first_of_group =
            !lock(&self.addresses).iter().any(|other| solicited_node(*other) == solicited_node(address));
        lock(&self.addresses).insert(address);
        if is_first_of_group {
            self.groups.join_multicast_v6(&solicited_node(address), self.link.index)?;
        }
        let packet = advertisement(address, ALL_NODES, FLAG_OVERRIDE | FLAG_ROUTER, &self.link.mac);
        send_packet(&packet, &self.link.name, self.link.index, ALL_NODES)
    }

    /// Answers for it no longer.
    pub fn remove(&self, address: Ipv6Addr) {
        let mut addresses = lock(&self.addresses);
        addresses.remove(&address);
        if !addresses.iter().any(|other| solicited_node(*other) == solicited_node(address)) {
            // A link that has gone has no groups either.
            let _gone = self.groups.leave_multicast_v6(&solicited_node(address), self.link.index);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(addresses: &Addresses) -> MutexGuard<'_, BTreeSet<Ipv6Addr>> {
    addresses.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A link that is listened to.
#[derive(Debug)]
struct Listening {
    socket: PacketSocket,
    link: Link,
    /// What this host itself asks from.
    own: Option<Ipv6Addr>,
}

impl Listening {
    async fn start(network: &Network, name: &str) -> io::Result<Self> {
        let observed = network.observe(&[]).await.map_err(io::Error::other)?;
        let link = observed.link(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        let socket = PacketSocket::open(link.index, [TYPE_NEIGHBOUR_SOLICITATION])?;
        Ok(Self { socket, own: observed.link_local_of(name), link })
    }
}

/// Answers for ever; a link that is made anew is listened to anew.
async fn answer(mut listening: Listening, network: Network, addresses: Addresses) {
    loop {
        let Listening { socket, link, own } = &listening;
        let asked =
            |packet: &[u8]| question(packet, *own).filter(|asked| lock(&addresses).contains(&asked.target));
        let outcome = match socket.next(asked).await {
            Ok(asked) => reply(&asked, link),
            Err(error) => Err(error),
        };
        let Err(error) = outcome else { continue };
        tracing::debug!("neighbour solicitations on {}: {error}", link.name);
        sleep(REST).await;
        if let Ok(anew) = Listening::start(&network, &link.name).await {
            listening = anew;
        }
    }
}

/// A valid solicitation of somebody else; what this host itself asks is heard as well.
fn question(packet: &[u8], own: Option<Ipv6Addr>) -> Option<Question> {
    let address =
        |place: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(place..place + 16)?).ok()?));
    let (source, destination) = (address(8)?, address(24)?);
    let length = usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]));
    let bytes = packet.get(IPV6_HEADER_LEN..)?.get(..length)?;
    let arrived = Arrived { source, destination, hop_limit: (*packet.get(7)?).into(), bytes };
    arrived.question().filter(|asked| Some(asked.source) != own)
}

/// To who asked; to all who may hear where that one has no address yet and is about to take this one.
fn reply(asked: &Question, link: &Link) -> io::Result<()> {
    let (to, flags) = match asked.source.is_unspecified() {
        true => (ALL_NODES, FLAG_OVERRIDE | FLAG_ROUTER),
        false => (asked.source, FLAG_OVERRIDE | FLAG_ROUTER | FLAG_SOLICITED),
    };
    send_packet(&advertisement(asked.target, to, flags, &link.mac), &link.name, link.index, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbour_discovery::message::{NONCE_LEN, solicitation};

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn a_question_is_heard_unless_this_host_has_asked_it() {
        let mac = [2, 0, 0x5e, 0x10, 0, 1];
        let packet = solicitation(ip("fe80::2"), ip("2001:db8::1"), &mac, [7; NONCE_LEN]);
        let asked = question(&packet, Some(ip("fe80::1"))).unwrap();
        assert_eq!((asked.source, asked.target), (ip("fe80::2"), ip("2001:db8::1")));
        assert_eq!(question(&packet, Some(ip("fe80::2"))), None);
        assert_eq!(question(&packet[..60], None), None, "cut off");
        assert_eq!(question(&[], None), None);
    }

    #[test]
    fn who_is_about_to_take_the_address_is_heard_as_well() {
        let packet = solicitation(Ipv6Addr::UNSPECIFIED, ip("2001:db8::1"), &[], [7; NONCE_LEN]);
        assert!(question(&packet, None).unwrap().source.is_unspecified());
    }
}
