//! What `assign` promises.

use super::*;
use proptest::prelude::*;

const KEY: PublicKey = PublicKey::from_bytes([9; 32]);

fn address(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n)
}

fn new(name: &str) -> Wanted<'_> {
    Wanted { name, public_key: &KEY, fixed: None, remembered: None }
}

fn fixed(name: &str, n: u16) -> Wanted<'_> {
    Wanted { fixed: Some(address(n)), ..new(name) }
}

fn known(name: &str, n: u16) -> Wanted<'_> {
    Wanted { remembered: Some(address(n)), ..new(name) }
}

fn listed(numbers: &[u16]) -> Pool {
    Pool::Listed(numbers.iter().copied().map(address).collect())
}

fn given(pool: &Pool, clients: &[Wanted<'_>], unusable: &[u16]) -> Result<Vec<Ipv6Addr>, LeaseError> {
    assign(pool, clients, &unusable.iter().copied().map(address).collect())
}

#[test]
fn clients_get_the_pool_in_order_without_what_is_fixed() {
    let clients = [new("pc"), fixed("tv", 1), new("phone"), fixed("far", 9)];
    let given = given(&listed(&[1, 2, 3]), &clients, &[]).unwrap();
    assert_eq!(given, [address(2), address(1), address(3), address(9)]);
}

#[test]
fn what_is_remembered_is_kept_before_a_new_client_takes_it() {
    let given = given(&listed(&[1, 2, 3]), &[new("pc"), known("tv", 1)], &[]).unwrap();
    assert_eq!(given, [address(2), address(1)]);
}

#[test]
fn what_is_remembered_goes_if_it_is_fixed_for_another_in_use_taken_or_no_longer_in_the_pool() {
    let pool = listed(&[1, 2, 3, 4]);
    for (clients, unusable) in [
        ([known("pc", 1), fixed("tv", 1)], vec![]),
        ([known("pc", 1), new("tv")], vec![1]),
        ([known("pc", 9), fixed("tv", 1)], vec![]),
    ] {
        assert_eq!(given(&pool, &clients, &unusable).unwrap()[0], address(2), "{clients:?}");
    }
    let both = given(&pool, &[known("pc", 3), known("tv", 3)], &[]).unwrap();
    assert_eq!(both, [address(3), address(1)]);
}

#[test]
fn a_fixed_address_that_is_in_use_is_refused_by_name() {
    let error = given(&listed(&[]), &[fixed("pc", 1)], &[1]).unwrap_err();
    assert_eq!(error.to_string(), "client pc has the address 2001:db8::1, which is in use");
}

#[test]
fn a_client_that_gets_nothing_is_named() {
    let error = given(&listed(&[1]), &[new("pc"), new("tv")], &[]).unwrap_err();
    assert_eq!(error.to_string(), "no address of the pool is left for client tv (the pool has 1)");
    let full: Pool = Pool::Derived("2001:db8::/120".parse().unwrap());
    let unusable: Vec<u16> = (0..=255).collect();
    let error = given(&full, &[new("pc")], &unusable).unwrap_err();
    assert_eq!(error.to_string(), "no address of the pool is left for client pc (the pool has 255)");
}

#[test]
fn a_derived_address_that_is_in_use_is_followed_by_the_clients_next_one() {
    let pool = Pool::Derived("2001:db8::/64".parse().unwrap());
    let mine: Vec<_> = pool.candidates(&KEY).take(3).collect();
    assert_eq!(assign(&pool, &[new("pc")], &HashSet::new()).unwrap(), [mine[0]]);
    let unusable = mine[..2].iter().copied().collect();
    assert_eq!(assign(&pool, &[new("pc")], &unusable).unwrap(), [mine[2]]);
}

#[test]
fn an_address_given_twice_is_refused() {
    let twice = given(&listed(&[1, 1]), &[], &[]).unwrap_err();
    assert_eq!(twice, LeaseError::PoolDuplicate { address: address(1) });
    let error = given(&listed(&[]), &[fixed("pc", 1), fixed("tv", 1)], &[]).unwrap_err();
    assert_eq!(error.to_string(), "clients pc and tv both have the address 2001:db8::1");
}

#[test]
fn addresses_that_cannot_be_lent_are_refused() {
    for text in ["fe80::1", "ff02::1", "::1", "::", "::ffff:192.0.2.1"] {
        let address = text.parse().unwrap();
        let error = assign(&Pool::Listed(vec![address]), &[], &HashSet::new()).unwrap_err();
        assert_eq!(error, LeaseError::PoolNotLendable { address });
    }
}

fn any_pool() -> impl Strategy<Value = Pool> {
    let few = (1u16..40).prop_map(|len| Pool::Listed((1..=len).map(address).collect()));
    let derived = (64u8..=120).prop_map(|len| Pool::Derived(PoolPrefix { address: address(0), len }));
    prop_oneof![few, derived]
}

/// Fixed and remembered addresses out of so few that they meet.
fn any_clients() -> impl Strategy<Value = Vec<(Option<u16>, Option<u16>)>> {
    let fixed = proptest::option::weighted(0.2, 1u16..300);
    proptest::collection::vec((fixed, proptest::option::of(1u16..60)), 0..60)
}

proptest! {
    #[test]
    fn nobody_shares_an_address_gets_an_unusable_one_or_loses_what_is_fixed_or_remembered(
        pool in any_pool(),
        choices in any_clients(),
        unusable in proptest::collection::hash_set((1u16..60).prop_map(address), 0..20),
    ) {
        let keys: Vec<_> = (0u8..).take(choices.len()).map(|n| PublicKey::from_bytes([n; 32])).collect();
        let clients: Vec<_> = choices.iter().zip(&keys).map(|((fixed, remembered), public_key)| Wanted {
            name: "c",
            public_key,
            fixed: fixed.map(address),
            remembered: remembered.map(address),
        }).collect();
        let Ok(given) = assign(&pool, &clients, &unusable) else { return Ok(()) };
        prop_assert_eq!(given.iter().collect::<HashSet<_>>().len(), clients.len());
        let all_fixed: HashSet<_> = clients.iter().filter_map(|client| client.fixed).collect();
        let mut remembered = HashSet::new();
        for (client, address) in clients.iter().zip(&given) {
            prop_assert!(!unusable.contains(address));
            if let Some(fixed) = client.fixed {
                prop_assert_eq!(*address, fixed);
                continue;
            }
            prop_assert!(pool.contains(*address));
            let kept = client.remembered.filter(|last| {
                pool.contains(*last) && !all_fixed.contains(last) && !unusable.contains(last) && remembered.insert(*last)
            });
            prop_assert!(kept.is_none_or(|kept| kept == *address));
        }
    }
}
