//! What a journal is left with when a part of it has been undone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use super::addresses::AddressRewind;
use crate::network::link_names::with_todays_names;
use crate::network::{Change, Entry, Observed, Phase};

/// The entries without those that `is_of` names, as if those changes had never been made. All that they name must
/// have been undone already.
///
/// The others may have been recorded while an address was away that stands again: what they say of the order of the
/// addresses is completed. Each address that is away keeps one entry, so that a journal does not grow with the number
/// of leases that were, but only with those that are.
pub(in crate::network) fn strike_out(
    entries: &[Entry],
    observed: &Observed,
    is_of: impl Fn(&Change) -> bool,
) -> Vec<Entry> {
    let mut entries = with_todays_names(entries, &observed.links).into_owned();
    let mut addresses = AddressRewind::new(&entries, observed, &is_of);
    entries.iter().rev().for_each(|entry| addresses.entry(entry));
    // An undoing has raised what had to be raised, so that nothing is left half-way.
    let is_raise =
        |entry: &Entry| entry.phase == Phase::Undo && matches!(entry.change, Change::RaiseAddress { .. });
    entries.retain(|entry| !is_raise(entry) && !is_of(&entry.change));
    merge_deletions(&mut entries);
    tell_orders_anew(&mut entries, &addresses);
    entries
}

/// Each deletion is told as if all before it in the journal, and no others, had been made already.
fn tell_orders_anew(entries: &mut [Entry], addresses: &AddressRewind) {
    let mut away: BTreeSet<(String, Ipv6Addr)> = BTreeSet::new();
    for entry in entries {
        let Change::DeleteAddress { link, address, order } = &mut entry.change else { continue };
        let as_found = addresses.order_of(link);
        if as_found.contains(&address.address) {
            let is_here = |other: &&Ipv6Addr| !away.contains(&(link.clone(), **other));
            *order = as_found.iter().filter(is_here).copied().collect();
            away.insert((link.clone(), address.address));
        }
    }
}

/// Of several deletions of one address the first stays, with what the last knows. One that v6tun itself has also
/// added is left alone.
fn merge_deletions(entries: &mut Vec<Entry>) {
    type Place = (String, Ipv6Addr);
    let added: BTreeSet<Place> = entries
        .iter()
        .filter_map(|entry| match &entry.change {
            Change::AddAddress { link, address } => Some((link.clone(), address.address)),
            _ => None,
        })
        .collect();
    let place = |entry: &Entry| match &entry.change {
        Change::DeleteAddress { link, address, .. } => {
            Some((link.clone(), address.address)).filter(|place| !added.contains(place))
        }
        _ => None,
    };
    let mut newest: BTreeMap<Place, Entry> = BTreeMap::new();
    newest.extend(entries.iter().filter_map(|entry| Some((place(entry)?, entry.clone()))));
    *entries = std::mem::take(entries)
        .into_iter()
        .filter_map(|entry| match place(&entry) {
            Some(place) => newest.remove(&place),
            None => Some(entry),
        })
        .collect();
}
