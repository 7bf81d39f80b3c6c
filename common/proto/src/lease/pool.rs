//! The addresses that a server may lend.

use super::{LeaseError, PoolPrefix, derived};
use crate::filter;
use std::collections::HashSet;
use std::net::Ipv6Addr;
use v6tun_keys::PublicKey;

/// Where the addresses of clients without a fixed one come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pool {
    /// These addresses, the first free one first.
    Listed(Vec<Ipv6Addr>),
    /// Addresses of this prefix, made from each client's public key.
    Derived(PoolPrefix),
}

impl Pool {
    /// Whether all of it can be lent.
    ///
    /// # Errors
    /// [`LeaseError`], at the first thing that is wrong.
    pub fn check(&self) -> Result<(), LeaseError> {
        match self {
            Self::Listed(addresses) => check_listed(addresses),
            Self::Derived(prefix) => Ok(prefix.check()?),
        }
    }

    /// Whether an address can come out of this pool.
    #[must_use]
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        match self {
            Self::Listed(addresses) => addresses.contains(&address),
            Self::Derived(prefix) => prefix.contains(address) && derived::is_lendable(*prefix, address),
        }
    }

    /// How many addresses it has at the most; `None`: more than anybody can use.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        match self {
            Self::Listed(addresses) => Some(addresses.len()),
            // All identifiers but zero; more than 2^32 nobody has clients for.
            Self::Derived(prefix) => {
                u32::try_from(derived::identifier_mask(prefix.len)).ok().and_then(|most| most.try_into().ok())
            }
        }
    }

    /// The addresses that a client may get, the one that it should get first. An address may come
    /// more than once. Of a prefix they are practically without end: stop at the first that is free.
    pub fn candidates<'a>(&'a self, client: &PublicKey) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
        let (listed, prefix) = match self {
            Self::Listed(addresses) => (addresses.as_slice(), None),
            Self::Derived(prefix) => ([].as_slice(), Some(*prefix)),
        };
        let client = *client;
        let derived = prefix.into_iter().flat_map(move |prefix| derived::candidates(prefix, client));
        listed.iter().copied().chain(derived)
    }
}

fn check_listed(addresses: &[Ipv6Addr]) -> Result<(), LeaseError> {
    let mut seen = HashSet::new();
    for &address in addresses {
        if filter::refusal(address).is_some() {
            return Err(LeaseError::PoolNotLendable { address });
        }
        if !seen.insert(address) {
            return Err(LeaseError::PoolDuplicate { address });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(text: &str) -> Pool {
        Pool::Derived(text.parse().unwrap())
    }

    #[test]
    fn a_list_is_tried_in_its_order_for_everybody() {
        let addresses: Vec<Ipv6Addr> = ["2001:db8::2", "2001:db8::1"].map(|a| a.parse().unwrap()).to_vec();
        let pool = Pool::Listed(addresses.clone());
        for byte in 0..3 {
            let candidates: Vec<_> = pool.candidates(&PublicKey::from_bytes([byte; 32])).collect();
            assert_eq!(candidates, addresses);
        }
    }

    #[test]
    fn the_capacity_is_told_where_somebody_could_reach_it() {
        assert_eq!(Pool::Listed(vec!["2001:db8::1".parse().unwrap()]).capacity(), Some(1));
        assert_eq!(derived("2001:db8::/120").capacity(), Some(255));
        assert_eq!(derived("2001:db8::/64").capacity(), None);
    }

    #[test]
    fn a_prefix_contains_what_can_be_lent_of_it() {
        let pool = derived("2001:db8::/64");
        let contains = |text: &str| pool.contains(text.parse().unwrap());
        assert!(contains("2001:db8::5"));
        assert!(!contains("2001:db8::") && !contains("2001:db8:0:1::5"));
    }
}
