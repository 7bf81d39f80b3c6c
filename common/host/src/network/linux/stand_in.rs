//! What answers and receives at addresses that are being put back, until the kernel does.
//!
//! An address that is added, or raised to the front, is the host's preferred source at once. Its route in the table
//! `local` and its solicited-node group come later, in the kernel's own time (`net/ipv6/addrconf.c`, `addrconf_dad_work`);
//! with a deletion they go at once. Who sends from the address meanwhile would never hear the answer.

use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::bystanders::destination_of;
use super::netlink::{Netlink, orders_in_one_breath};
use super::route::{TABLE_LOCAL, dump_all_messages, is_of_local_table, is_ours};
use super::{Network, link};
use crate::neighbour_discovery::SolicitedNodeGroups;
use crate::network::{Change, NetworkError, ROUTE_PROTOCOL};

/// How often, and how far apart, the kernel is asked whether it has taken the addresses into use.
const SETTLE_LOOKS: u32 = 200;
const SETTLE_PAUSE: Duration = Duration::from_millis(5);
/// How many orders are given at once: the kernel's answers to all must have room in a socket's buffer.
const BREATH: usize = 64;
/// The metric of a stand-in's route; the kernel's own have 0.
const METRIC: u32 = 1;

/// What stands in for some addresses. The memberships end with this; the routes with
/// [`settle`](Network::settle), also those that a process left that was killed.
#[derive(Debug)]
pub(in crate::network) struct StandIns {
    _groups: Vec<SolicitedNodeGroups>,
}

impl Network {
    /// Answers and receives at the addresses that these changes add or raise.
    ///
    /// # Errors
    /// If the kernel refuses; nothing depends on it but what arrives within milliseconds.
    pub(in crate::network) async fn stand_in(&self, changes: &[Change]) -> io::Result<StandIns> {
        let mut orders = Vec::new();
        let mut groups = Vec::new();
        for link in link::dump(&self.netlink).await? {
            let on_link =
                changes.iter().filter_map(Change::puts_in_front).filter(|(name, _)| *name == link.name);
            let put_back: Vec<Ipv6Addr> = on_link.map(|(_, address)| address).collect();
            let routes = put_back.iter().map(|address| route(*address, Some(link.index)));
            orders.extend(
                routes.map(|route| (RouteNetlinkMessage::NewRoute(route), NLM_F_CREATE | NLM_F_EXCL)),
            );
            if !put_back.is_empty() {
                groups.push(SolicitedNodeGroups::join(link.index, &put_back));
            }
        }
        let is_refusal = |error: &io::Error| error.kind() != io::ErrorKind::AlreadyExists;
        for breath in orders.chunks(BREATH) {
            let results = orders_in_one_breath(breath.to_vec())?;
            if let Some(error) = results.into_iter().filter_map(Result::err).find(is_refusal) {
                return Err(error);
            }
        }
        Ok(StandIns { _groups: groups.into_iter().collect::<io::Result<_>>()? })
    }

    /// Waits until the kernel has taken these addresses into use, a second at the most, and deletes the routes of all
    /// stand-ins. An interface that began to forward before would join such an address's anycast group twice and later
    /// leave it once.
    ///
    /// # Errors
    /// If the kernel refuses a dump, or to delete a route.
    pub(crate) async fn settle(&self, addresses: &[Ipv6Addr]) -> Result<(), NetworkError> {
        let failed = |e| NetworkError::new("look at the host's own addresses", e);
        let look = async || Received::observe(&self.netlink).await.map_err(failed);
        let mut received = look().await?;
        let mut looks = 1;
        while !addresses.iter().all(|address| received.own.contains(address)) {
            if looks == SETTLE_LOOKS {
                tracing::debug!("the kernel has not taken every restored address into use");
                break;
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
            received = look().await?;
            looks += 1;
        }
        for address in received.stand_ins {
            let deleted = delete(&self.netlink, address).await;
            deleted.map_err(|e| NetworkError::new(format!("delete the stand-in of {address}"), e))?;
        }
        Ok(())
    }
}

/// What the host receives for itself, by the kernel's own table.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// The addresses that the kernel has taken into use.
    own: Vec<Ipv6Addr>,
    /// The addresses that have a stand-in, once for each.
    pub(super) stand_ins: Vec<Ipv6Addr>,
}

impl Received {
    pub(super) async fn observe(netlink: &Netlink) -> io::Result<Self> {
        let mut received = Self::default();
        for route in dump_all_messages(netlink).await? {
            if is_of_local_table(&route) && route.header.kind == RouteType::Local {
                let list = if is_ours(&route) { &mut received.stand_ins } else { &mut received.own };
                list.push(destination_of(&route));
            }
        }
        Ok(received)
    }
}

/// A stand-in's route, on whichever link where none is named.
fn route(address: Ipv6Addr, index: Option<u32>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    message.header.destination_prefix_length = 128;
    message.header.table = TABLE_LOCAL;
    message.header.protocol = ROUTE_PROTOCOL.into();
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Local;
    message.attributes =
        vec![RouteAttribute::Destination(RouteAddress::Inet6(address)), RouteAttribute::Priority(METRIC)];
    message.attributes.extend(index.map(RouteAttribute::Oif));
    message
}

/// Deletes a stand-in's route; that there is none is success.
async fn delete(netlink: &Netlink, address: Ipv6Addr) -> io::Result<()> {
    match netlink.order(RouteNetlinkMessage::DelRoute(route(address, None)), 0).await {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(()),
        result => result,
    }
}
