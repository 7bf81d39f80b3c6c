//! From which of this host's addresses each peer is to be answered: the one that it sent to.
//!
//! On a host with several addresses the kernel would choose one by its routes, and a NAT or firewall on the peer's
//! side drops what comes from an address that nothing was sent to.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
};

use crate::limits::LOCAL_ADDRESSES;

/// The address of this host that each of the latest peers has sent to. Two peers that share a place push each other
/// out, and one that is not remembered is answered as the kernel chooses: a flood of forged sources costs no memory.
#[derive(Debug)]
pub(super) struct LocalAddresses {
    /// Empty for a socket that leaves the choice to the kernel.
    places: Vec<Option<(SocketAddr, IpAddr)>>,
    hasher: RandomState,
}

impl LocalAddresses {
    /// Remembers nobody yet, or nobody ever.
    pub(super) fn new(is_used: bool) -> Self {
        let places = if is_used { vec![None; LOCAL_ADDRESSES] } else { Vec::new() };
        Self { places, hasher: RandomState::new() }
    }

    /// A datagram of this peer came to this address.
    pub(super) fn note(&mut self, peer: SocketAddr, local: IpAddr) {
        // A link-local address says nothing without its link, which the peer's address names already.
        let is_ambiguous = matches!(local, IpAddr::V6(local) if local.is_unicast_link_local());
        if let Some(place) = self.place(peer).filter(|_| !is_ambiguous) {
            *place = Some((peer, local));
        }
    }

    /// Where the peer sent to last.
    pub(super) fn of(&mut self, peer: SocketAddr) -> Option<IpAddr> {
        let (known, local) = (*self.place(peer)?)?;
        (known == peer).then_some(local)
    }

    /// The kernel does not send from there: the address is no longer this host's.
    pub(super) fn forget(&mut self, peer: SocketAddr) {
        if let Some(place) = self.place(peer) {
            *place = None;
        }
    }

    fn place(&mut self, peer: SocketAddr) -> Option<&mut Option<(SocketAddr, IpAddr)>> {
        let hash = self.hasher.hash_one(peer) as usize;
        let place = hash.checked_rem(self.places.len())?;
        self.places.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_answered_from_where_it_sent_to_last_until_that_is_forgotten() {
        let mut locals = LocalAddresses::new(true);
        let peer = "192.0.2.1:1000".parse().unwrap();
        let (first, second) = ("198.51.100.1".parse().unwrap(), "198.51.100.2".parse().unwrap());
        assert_eq!(locals.of(peer), None);
        locals.note(peer, first);
        locals.note(peer, second);
        assert_eq!(locals.of(peer), Some(second));
        assert_eq!(locals.of("192.0.2.1:1001".parse().unwrap()), None, "another port is another peer");
        locals.forget(peer);
        assert_eq!(locals.of(peer), None);
    }

    #[test]
    fn a_socket_that_leaves_it_to_the_kernel_remembers_nobody() {
        let mut locals = LocalAddresses::new(false);
        let peer = "192.0.2.1:1000".parse().unwrap();
        locals.note(peer, "198.51.100.1".parse().unwrap());
        assert_eq!(locals.of(peer), None);
    }
}
