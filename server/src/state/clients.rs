//! Operations on clients, their addresses and endpoints.

use super::refusal::Holder;
use super::{MAX_CLIENTS, MAX_ENDPOINTS, Refusal, State, StoredClient, StoredEndpoint, StoredLease};
use crate::inbound::Inbound;
use std::net::{Ipv6Addr, SocketAddr};
use v6tun_keys::{PublicKey, is_client_name};

impl State {
    pub(crate) fn client_by_name(&self, name: &str) -> Option<&StoredClient> {
        self.clients.iter().find(|client| client.name == name)
    }

    pub(crate) fn client_by_key(&self, public_key: &PublicKey) -> Option<&StoredClient> {
        self.clients.iter().find(|client| client.public_key == *public_key)
    }

    /// Adds a client, whose `since` is now. A lease that its key had as a client of `server.toml` ends.
    pub(crate) fn add_client(&mut self, client: StoredClient) -> Result<(), Refusal> {
        if self.clients.len() >= MAX_CLIENTS {
            return Err(Refusal::TooManyClients);
        }
        self.require_free_name(&client.name, client.since)?;
        self.require_new_key(&client.public_key)?;
        self.require_free_address(client.address, &client.public_key)?;
        self.leases.retain(|lease| lease.public_key != client.public_key);
        self.clients.push(client);
        Ok(())
    }

    /// Takes a client away, and its endpoint. The invitation that it used stays used.
    pub(crate) fn remove_client(&mut self, name: &str) -> Result<StoredClient, Refusal> {
        let number = self.number_of(name)?;
        let client = self.clients.remove(number);
        self.endpoints.retain(|endpoint| endpoint.public_key != client.public_key);
        Ok(client)
    }

    /// Gives a client another name; its own is refused as any that is taken.
    pub(crate) fn rename_client(&mut self, old: &str, new: &str, now: u64) -> Result<(), Refusal> {
        let number = self.number_of(old)?;
        self.require_free_name(new, now)?;
        new.clone_into(&mut self.clients[number].name);
        Ok(())
    }

    /// Gives a client another address, and returns the old one.
    pub(crate) fn set_address(&mut self, name: &str, address: Ipv6Addr) -> Result<Ipv6Addr, Refusal> {
        let number = self.number_of(name)?;
        self.require_free_address(address, &self.clients[number].public_key)?;
        Ok(std::mem::replace(&mut self.clients[number].address, address))
    }

    /// Says what comes in to a client.
    pub(crate) fn set_inbound(&mut self, name: &str, inbound: Inbound) -> Result<(), Refusal> {
        let number = self.number_of(name)?;
        self.clients[number].inbound = inbound;
        Ok(())
    }

    /// Remembers what a client of `server.toml` was lent.
    pub(crate) fn set_lease(&mut self, public_key: PublicKey, address: Ipv6Addr) -> Result<(), Refusal> {
        if let Some(client) = self.client_by_key(&public_key) {
            return Err(Refusal::KeyTaken { public_key, holder: Holder::Client(client.name.clone()) });
        }
        self.require_free_address(address, &public_key)?;
        let is_full = self.leases.len() >= MAX_CLIENTS;
        match self.leases.iter_mut().find(|lease| lease.public_key == public_key) {
            Some(lease) => lease.address = address,
            None if is_full => return Err(Refusal::TooManyClients),
            None => self.leases.push(StoredLease { public_key, address }),
        }
        Ok(())
    }

    /// Remembers where a client was heard from, and returns whether that is news. One more than can be is not.
    pub(crate) fn set_endpoint(&mut self, public_key: PublicKey, endpoint: SocketAddr) -> bool {
        let is_full = self.endpoints.len() >= MAX_ENDPOINTS;
        match self.endpoints.iter_mut().find(|known| known.public_key == public_key) {
            Some(known) => std::mem::replace(&mut known.endpoint, endpoint) != endpoint,
            None if is_full => false,
            None => {
                self.endpoints.push(StoredEndpoint { public_key, endpoint });
                true
            }
        }
    }

    /// A name that no client has, and no open invitation promises to one.
    pub(super) fn require_free_name(&self, name: &str, now: u64) -> Result<(), Refusal> {
        if !is_client_name(name) {
            return Err(Refusal::NoName { name: name.to_owned() });
        }
        let client = self.client_by_name(name).map(|client| Holder::Client(client.name.clone()));
        let holder = client.or_else(|| {
            self.open_invitation_for(name, now).map(|invitation| Holder::Invitation(invitation.id))
        });
        holder.map_or(Ok(()), |holder| Err(Refusal::NameTaken { name: name.to_owned(), holder }))
    }

    /// A key with which handshakes can succeed, and that neither a client nor an invitation has.
    pub(super) fn require_new_key(&self, public_key: &PublicKey) -> Result<(), Refusal> {
        let public_key = *public_key;
        if public_key.is_low_order() {
            return Err(Refusal::LowOrderKey { public_key });
        }
        let client = self.client_by_key(&public_key).map(|client| Holder::Client(client.name.clone()));
        let holder = client.or_else(|| {
            let invitation = self.invitations.iter().find(|invitation| invitation.public_key == public_key);
            invitation.map(|invitation| Holder::Invitation(invitation.id))
        });
        holder.map_or(Ok(()), |holder| Err(Refusal::KeyTaken { public_key, holder }))
    }

    /// An address that nobody has but the client of this key.
    fn require_free_address(&self, address: Ipv6Addr, public_key: &PublicKey) -> Result<(), Refusal> {
        let is_other = |key: &PublicKey, held: Ipv6Addr| held == address && key != public_key;
        let client = self.clients.iter().find(|client| is_other(&client.public_key, client.address));
        let holder = client.map(|client| Holder::Client(client.name.clone())).or_else(|| {
            let lease = self.leases.iter().find(|lease| is_other(&lease.public_key, lease.address));
            lease.map(|lease| Holder::Lease(lease.public_key))
        });
        holder.map_or(Ok(()), |holder| Err(Refusal::AddressTaken { address, holder }))
    }

    fn number_of(&self, name: &str) -> Result<usize, Refusal> {
        let number = self.clients.iter().position(|client| client.name == name);
        number.ok_or_else(|| Refusal::NoSuchClient { name: name.to_owned() })
    }
}
