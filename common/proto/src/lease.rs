//! Who gets which address.

mod derived;
mod pool;
mod pool_prefix;

pub use pool::Pool;
pub use pool_prefix::{PoolPrefix, PrefixError};

use crate::filter;
use std::collections::{HashMap, HashSet};
use std::net::Ipv6Addr;
use thiserror::Error;
use v6tun_keys::PublicKey;

/// What one client is to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The client's name, for errors.
    pub name: &'a str,
    /// What a derived address is made from.
    pub public_key: &'a PublicKey,
    /// The address that it has to get, in the pool or not.
    pub fixed: Option<Ipv6Addr>,
    /// The one that it had last; it gets it again if the pool still has it for this client.
    pub remembered: Option<Ipv6Addr>,
}

/// Why the addresses cannot be given out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LeaseError {
    /// The pool holds an address twice.
    #[error("the pool lists {address} twice")]
    PoolDuplicate {
        /// The address.
        address: Ipv6Addr,
    },
    /// An address of the pool cannot be lent to anybody.
    #[error("the pool lists {address}, which is not a global unicast address")]
    PoolNotLendable {
        /// The address.
        address: Ipv6Addr,
    },
    /// Addresses cannot be made from the pool's prefix.
    #[error("the pool's prefix: {0}")]
    PoolPrefix(#[from] PrefixError),
    /// A client's fixed address cannot be lent to anybody.
    #[error("client {name} has the address {address}, which is not a global unicast address")]
    FixedNotLendable {
        /// The client's name.
        name: String,
        /// The address.
        address: Ipv6Addr,
    },
    /// A client's fixed address is somebody else's.
    #[error("client {name} has the address {address}, which is in use")]
    FixedUnusable {
        /// The client's name.
        name: String,
        /// The address.
        address: Ipv6Addr,
    },
    /// Two clients have the same fixed address.
    #[error("clients {first} and {second} both have the address {address}")]
    FixedTwice {
        /// The client that comes first.
        first: String,
        /// The client that comes second.
        second: String,
        /// The address.
        address: Ipv6Addr,
    },
    /// The pool has fewer addresses than there are clients without a fixed one.
    #[error("no address of the pool is left for client {name} (the pool has {pool})")]
    Exhausted {
        /// The first client that gets none.
        name: String,
        /// How many addresses the pool has, those that are in use included.
        pool: usize,
    },
}

/// One address for each client, in the same order: the fixed one; or else the remembered one, if
/// the pool has it and nobody took it before; or else the first of the pool's
/// [`candidates`](Pool::candidates) that is free. What is remembered is given before what is new, so
/// that a new client takes nothing from one that was there. Nobody gets an `unusable` address.
///
/// # Errors
/// [`LeaseError`], at the first thing that is wrong.
pub fn assign(
    pool: &Pool,
    clients: &[Wanted<'_>],
    unusable: &HashSet<Ipv6Addr>,
) -> Result<Vec<Ipv6Addr>, LeaseError> {
    pool.check()?;
    let fixed = collect_fixed(clients, unusable)?;
    let mut taken: HashSet<Ipv6Addr> = unusable.iter().chain(fixed.keys()).copied().collect();
    let kept: Vec<Option<Ipv6Addr>> =
        clients.iter().map(|client| client.fixed.or_else(|| remembered(client, pool, &mut taken))).collect();
    let exhausted = |name: &str| LeaseError::Exhausted {
        name: name.to_owned(),
        pool: pool.capacity().unwrap_or(usize::MAX),
    };
    let mut new = |client: &Wanted<'_>| {
        let mut candidates = pool.candidates(client.public_key);
        candidates.find(|address| taken.insert(*address))
    };
    let all = clients.iter().zip(kept);
    all.map(|(client, kept)| kept.or_else(|| new(client)).ok_or_else(|| exhausted(client.name))).collect()
}

fn remembered(client: &Wanted<'_>, pool: &Pool, taken: &mut HashSet<Ipv6Addr>) -> Option<Ipv6Addr> {
    client.remembered.filter(|address| pool.contains(*address) && taken.insert(*address))
}

fn collect_fixed<'a>(
    clients: &[Wanted<'a>],
    unusable: &HashSet<Ipv6Addr>,
) -> Result<HashMap<Ipv6Addr, &'a str>, LeaseError> {
    let mut fixed = HashMap::new();
    for client in clients {
        let Some(address) = client.fixed else { continue };
        let name = client.name.to_owned();
        if filter::refusal(address).is_some() {
            return Err(LeaseError::FixedNotLendable { name, address });
        }
        if unusable.contains(&address) {
            return Err(LeaseError::FixedUnusable { name, address });
        }
        if let Some(first) = fixed.insert(address, client.name) {
            return Err(LeaseError::FixedTwice { first: first.to_owned(), second: name, address });
        }
    }
    Ok(fixed)
}

#[cfg(test)]
mod tests;
