//! What holds of every state that is written or read.

use super::{MAX_CLIENTS, MAX_ENDPOINTS, MAX_INVITATIONS, State};
use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;
use v6tun_keys::is_client_name;

/// What is wrong with a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Contradiction(String);

impl State {
    /// Names are names, and no two have one name, one key or one address. That no key is of low order is seen to
    /// where keys come from: by the operations and by the reading of their text.
    pub(super) fn check(&self) -> Result<(), Contradiction> {
        bounded("clients", self.clients.len(), MAX_CLIENTS)?;
        bounded("leases", self.leases.len(), MAX_CLIENTS)?;
        bounded("invitations", self.invitations.len(), MAX_INVITATIONS)?;
        bounded("endpoints", self.endpoints.len(), MAX_ENDPOINTS)?;
        let names = || self.clients.iter().map(|client| &client.name);
        if let Some(name) =
            names().chain(self.invitations.iter().map(|i| &i.name)).find(|name| !is_client_name(name))
        {
            return Err(Contradiction(format!("{name:?} is no client name")));
        }
        distinct("clients are called", names())?;
        let keys = self.clients.iter().map(|client| client.public_key);
        let keys = keys.chain(self.leases.iter().map(|lease| lease.public_key));
        distinct("peers have the key", keys.chain(self.invitations.iter().map(|i| i.public_key)))?;
        let addresses = self.clients.iter().map(|client| client.address);
        distinct("clients have the address", addresses.chain(self.leases.iter().map(|lease| lease.address)))?;
        distinct("invitations have the id", self.invitations.iter().map(|invitation| invitation.id))?;
        distinct("endpoints are of the key", self.endpoints.iter().map(|endpoint| endpoint.public_key))
    }
}

fn bounded(what: &str, count: usize, most: usize) -> Result<(), Contradiction> {
    if count > most {
        Err(Contradiction(format!("{count} {what} instead of at most {most}")))
    } else {
        Ok(())
    }
}

fn distinct<T: Hash + Eq + Display>(
    what: &str,
    mut items: impl Iterator<Item = T>,
) -> Result<(), Contradiction> {
    let mut seen = HashSet::new();
    match items.find_map(|item| seen.replace(item)) {
        Some(twice) => Err(Contradiction(format!("two {what} {twice}"))),
        None => Ok(()),
    }
}
