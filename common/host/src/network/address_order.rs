//! The order of the addresses on a link, which decides what source address the host prefers.
//!
//! The kernel keeps a link's addresses sorted by scope, widest first, and puts an address that is added in
//! front of those of its own scope (`ipv6_link_dev_addr`). So the only move there is, is to the front.

use std::net::Ipv6Addr;

/// The kernel's rank of an address's scope (`ipv6_addr_src_scope`): a larger one stands further in front.
pub(crate) fn scope_rank(address: Ipv6Addr) -> u8 {
    const SITE_LOCAL: u16 = 0xfec0;
    if address.is_loopback() {
        1
    } else if address.is_unicast_link_local() {
        2
    } else if address.segments()[0] & 0xffc0 == SITE_LOCAL {
        5
    } else {
        14
    }
}

/// Adds an address as the kernel does.
pub(crate) fn kernel_add(list: &mut Vec<Ipv6Addr>, address: Ipv6Addr) {
    let rank = scope_rank(address);
    let place = list.iter().position(|other| rank >= scope_rank(*other)).unwrap_or(list.len());
    list.insert(place, address);
}

/// Puts an address where it stood in `order`: in front of the first that stood behind it, else behind the
/// last that stood in front of it. Addresses that `order` does not know stay where they are.
pub(crate) fn place(list: &mut Vec<Ipv6Addr>, address: Ipv6Addr, order: &[Ipv6Addr]) {
    list.retain(|other| *other != address);
    let rank = scope_rank(address);
    let start = list.iter().position(|other| scope_rank(*other) <= rank).unwrap_or(list.len());
    let end = list.iter().position(|other| scope_rank(*other) < rank).unwrap_or(list.len());
    let known = order.iter().position(|other| *other == address);
    let (ahead, behind) = match known {
        Some(at) => (&order[..at], &order[at + 1..]),
        None => (order, &[][..]),
    };
    let equals = &list[start..end];
    let at = match equals.iter().position(|other| behind.contains(other)) {
        Some(first_behind) => first_behind,
        None => equals.iter().rposition(|other| ahead.contains(other)).map_or(0, |last| last + 1),
    };
    list.insert(start + at, address);
}

/// The addresses that must be added or raised to the front, in this order, so that `current` becomes
/// `target`; the fewest that will do. Every address of `current` must be in `target`.
///
/// What is not moved keeps its order and ends up behind what is moved. So what can stay is, for each scope, the
/// longest tail of the target that `current` holds in the same order; everything in front of it must move.
pub(crate) fn moves(current: &[Ipv6Addr], target: &[Ipv6Addr]) -> Vec<Ipv6Addr> {
    let mut ranks: Vec<u8> = target.iter().map(|address| scope_rank(*address)).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let of_rank = |list: &[Ipv6Addr], rank| -> Vec<Ipv6Addr> {
        list.iter().copied().filter(|address| scope_rank(*address) == rank).collect()
    };
    ranks.iter().flat_map(|rank| moves_within(&of_rank(current, *rank), &of_rank(target, *rank))).collect()
}

fn moves_within(current: &[Ipv6Addr], target: &[Ipv6Addr]) -> Vec<Ipv6Addr> {
    let mut rest = current;
    let mut kept = 0;
    for address in target.iter().rev() {
        let Some(at) = rest.iter().rposition(|other| other == address) else { break };
        rest = &rest[..at];
        kept += 1;
    }
    target[..target.len() - kept].iter().rev().copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(number: u16) -> Ipv6Addr {
        // Every fourth one is link-local.
        let first = if number % 4 == 3 { 0xfe80 } else { 0x2001 };
        Ipv6Addr::new(first, 0xdb8, 0, 0, 0, 0, 0, number)
    }

    fn list(numbers: &[u16]) -> Vec<Ipv6Addr> {
        numbers.iter().copied().map(address).collect()
    }

    fn apply(mut current: Vec<Ipv6Addr>, moves: &[Ipv6Addr]) -> Vec<Ipv6Addr> {
        for address in moves {
            current.retain(|other| other != address);
            kernel_add(&mut current, *address);
        }
        current
    }

    #[test]
    fn an_address_taken_from_the_middle_raises_only_those_in_front_of_it() {
        assert_eq!(moves(&list(&[1, 2, 5, 6]), &list(&[1, 2, 4, 5, 6])), list(&[4, 2, 1]));
    }

    #[test]
    fn an_address_taken_from_the_front_raises_nothing() {
        assert_eq!(moves(&list(&[2, 4, 3]), &list(&[1, 2, 4, 3])), list(&[1]));
    }

    #[test]
    fn an_address_that_came_since_stays_in_front() {
        let mut target = list(&[9, 2, 4]);
        place(&mut target, address(1), &list(&[1, 2, 4]));
        assert_eq!(target, list(&[9, 1, 2, 4]));
    }

    /// Two arrangements, each sorted by scope as the kernel's are, the first with some left out.
    fn two_lists() -> impl Strategy<Value = (Vec<Ipv6Addr>, Vec<Ipv6Addr>)> {
        let shuffled = || Just((0..10_u16).collect::<Vec<_>>()).prop_shuffle();
        (shuffled(), shuffled(), 0..=10_usize).prop_map(|(current, target, length)| {
            let sorted = |numbers: &[u16]| {
                let mut list = list(numbers);
                list.sort_by_key(|address| std::cmp::Reverse(scope_rank(*address)));
                list
            };
            (sorted(&current[..length]), sorted(&target))
        })
    }

    proptest! {
        #[test]
        fn the_moves_reach_the_target((current, target) in two_lists()) {
            let moves = moves(&current, &target);
            prop_assert_eq!(apply(current, &moves), target);
        }

        #[test]
        fn no_smaller_set_of_moves_would_do((current, target) in two_lists()) {
            let moves = moves(&current, &target);
            for left_out in 0..moves.len() {
                let mut fewer = moves.clone();
                fewer.remove(left_out);
                prop_assert_ne!(apply(current.clone(), &fewer), target.clone());
            }
        }
    }
}
