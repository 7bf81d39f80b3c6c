//! Clients that come, go, and change while the server runs.

use super::{ClientEntry, ServerTunnel};
use crate::DropReason;
use crate::batch::Outputs;
use crate::control::{Envelope, Message};
use std::net::Ipv6Addr;
use std::time::Instant;
use v6tun_keys::PublicKey;

impl ServerTunnel {
    /// Lets a client have a session. False if its key or its address is another client's: then nothing changes.
    pub fn add_client(&mut self, client: ClientEntry) -> bool {
        self.peers.insert(client)
    }

    /// Ends a client: it is told, its session is closed, and from here on its key is unknown.
    pub fn remove_client(&mut self, client: &PublicKey, out: &mut Outputs<'_>, _now: Instant) {
        let Some(place) = self.peers.by_key(client) else { return };
        if self.peers.get_mut(place).is_some_and(|peer| peer.responder.speaks()) {
            let revoked = Envelope { request_id: 0, message: Message::Revoked };
            self.send_control(place, Some(revoked), out.to_network);
        }
        self.close_session(place);
        if let Some(mut peer) = self.peers.remove(place) {
            self.record.count_all(DropReason::LeasePending, peer.drop_held());
        }
    }

    /// Calls a client by another name, in events and status.
    pub fn rename_client(&mut self, client: &PublicKey, name: String) {
        let place = self.peers.by_key(client);
        if let Some(peer) = place.and_then(|place| self.peers.get_mut(place)) {
            peer.entry.name = name;
        }
    }

    /// Gives a client another address, which the host carries already if it carried the one before. The client
    /// is told once a second until it agrees. False if the address is another client's: then nothing changes.
    pub fn move_client(
        &mut self,
        client: &PublicKey,
        address: Ipv6Addr,
        out: &mut Outputs<'_>,
        now: Instant,
    ) -> bool {
        let Some(place) = self.peers.by_key(client) else { return false };
        if self.peers.by_address(&address) == Some(place) {
            return true;
        }
        if !self.peers.set_address(place, address) {
            return false;
        }
        let terms = self.terms.of(address);
        let Some(peer) = self.peers.get_mut(place) else { return false };
        peer.lease_moved();
        let notice = peer.can_be_told().then(|| peer.responder.wrong_source(terms, now));
        self.send_control(place, notice.flatten(), out.to_network);
        true
    }
}
