//! Who gets which address.

use crate::filter;
use std::collections::{HashMap, HashSet};
use std::net::Ipv6Addr;
use thiserror::Error;

/// What one client is to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The client's name, for errors.
    pub name: &'a str,
    /// The address that it has to get, in the pool or not; else the pool's next free one.
    pub fixed: Option<Ipv6Addr>,
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
    /// A client's fixed address cannot be lent to anybody.
    #[error("client {name} has the address {address}, which is not a global unicast address")]
    FixedNotLendable {
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
        /// How many addresses the pool lists.
        pool: usize,
    },
}

/// One address for each client, in the same order. Clients without a fixed address get the
/// pool's in its order, without those that are fixed for somebody, so that the same
/// configuration always gives the same result.
///
/// # Errors
/// [`LeaseError`], at the first thing that is wrong.
pub fn assign(pool: &[Ipv6Addr], clients: &[Wanted<'_>]) -> Result<Vec<Ipv6Addr>, LeaseError> {
    check_pool(pool)?;
    let fixed = collect_fixed(clients)?;
    let mut free = pool.iter().copied().filter(|address| !fixed.contains_key(address));
    let exhausted = |name: &str| LeaseError::Exhausted { name: name.to_owned(), pool: pool.len() };
    clients
        .iter()
        .map(|client| client.fixed.or_else(|| free.next()).ok_or_else(|| exhausted(client.name)))
        .collect()
}

fn check_pool(pool: &[Ipv6Addr]) -> Result<(), LeaseError> {
    let mut seen = HashSet::new();
    for &address in pool {
        if filter::refusal(address).is_some() {
            return Err(LeaseError::PoolNotLendable { address });
        }
        if !seen.insert(address) {
            return Err(LeaseError::PoolDuplicate { address });
        }
    }
    Ok(())
}

fn collect_fixed<'a>(clients: &[Wanted<'a>]) -> Result<HashMap<Ipv6Addr, &'a str>, LeaseError> {
    let mut fixed = HashMap::new();
    for client in clients {
        let Some(address) = client.fixed else { continue };
        let second = client.name.to_owned();
        if filter::refusal(address).is_some() {
            return Err(LeaseError::FixedNotLendable { name: second, address });
        }
        if let Some(first) = fixed.insert(address, client.name) {
            return Err(LeaseError::FixedTwice { first: first.to_owned(), second, address });
        }
    }
    Ok(fixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(n: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n)
    }

    fn any_address(name: &str) -> Wanted<'_> {
        Wanted { name, fixed: None }
    }

    fn fixed(name: &str, n: u16) -> Wanted<'_> {
        Wanted { name, fixed: Some(address(n)) }
    }

    #[test]
    fn clients_get_the_pool_in_order_without_what_is_fixed() {
        let pool = [address(1), address(2), address(3)];
        let clients = [any_address("pc"), fixed("tv", 1), any_address("phone"), fixed("far", 9)];
        let given = assign(&pool, &clients).unwrap();
        assert_eq!(given, [address(2), address(1), address(3), address(9)]);
    }

    #[test]
    fn a_client_that_gets_nothing_is_named() {
        let error = assign(&[address(1)], &[any_address("pc"), any_address("tv")]).unwrap_err();
        assert_eq!(error.to_string(), "no address of the pool is left for client tv (the pool has 1)");
    }

    #[test]
    fn an_address_given_twice_is_refused() {
        let twice = assign(&[address(1), address(1)], &[]).unwrap_err();
        assert_eq!(twice, LeaseError::PoolDuplicate { address: address(1) });
        let error = assign(&[], &[fixed("pc", 1), fixed("tv", 1)]).unwrap_err();
        assert_eq!(error.to_string(), "clients pc and tv both have the address 2001:db8::1");
    }

    #[test]
    fn addresses_that_cannot_be_lent_are_refused() {
        for text in ["fe80::1", "ff02::1", "::1", "::", "::ffff:192.0.2.1"] {
            let address = text.parse().unwrap();
            assert_eq!(assign(&[address], &[]).unwrap_err(), LeaseError::PoolNotLendable { address });
        }
    }

    proptest! {
        #[test]
        fn nobody_shares_an_address(pool_len in 0u16..40, choices in proptest::collection::vec(any::<Option<u16>>(), 0..20)) {
            let pool: Vec<_> = (0..pool_len).map(address).filter(|a| filter::refusal(*a).is_none()).collect();
            let clients: Vec<_> = choices.iter().map(|c| Wanted { name: "c", fixed: c.map(address) }).collect();
            if let Ok(given) = assign(&pool, &clients) {
                let distinct: HashSet<_> = given.iter().collect();
                prop_assert_eq!(distinct.len(), clients.len());
            }
        }
    }
}
