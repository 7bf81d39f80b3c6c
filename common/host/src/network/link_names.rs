//! Which links a change names, and what they are called today.
//!
//! A link may get another name while v6tun runs; its index stays. So the journal holds both.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem::take;

use super::{Change, Entry, Link, Undo};

impl Change {
    /// Shows every link's name in the change, to be looked at or written anew.
    fn visit_links(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::SetSysctl { key, .. } => key.link_mut().into_iter().for_each(visit),
            Self::SetAllForwarding { links, .. } => {
                let visited = take(links).into_iter().map(|(mut link, value)| {
                    visit(&mut link);
                    (link, value)
                });
                *links = visited.collect();
            }
            // They are bound to an address, or have a name of their own.
            Self::AddFirewallRule(_)
            | Self::DeleteFirewallRule(_)
            | Self::OpenChain(_)
            | Self::CloseChain(_)
            | Self::SetFilterTable(_)
            | Self::DeleteFilterTable(_) => {}
            Self::AddRoute(route) | Self::DeleteRoute(route) => route.link.iter_mut().for_each(visit),
            Self::LoseRouteSource(route) | Self::GiveRouteSource(route) => visit(&mut route.link),
            Self::LeaveTun { link, uplink } => [link, uplink].into_iter().for_each(visit),
            Self::SetLinkForwarding { link, .. }
            | Self::DeleteTun { link }
            | Self::AddAddress { link, .. }
            | Self::DeleteAddress { link, .. }
            | Self::RaiseAddress { link, .. }
            | Self::SetLinkUp { link, .. }
            | Self::SetInterfaceMetric { link, .. }
            | Self::SetNameServers { link, .. }
            | Self::AddProxy { link, .. }
            | Self::DeleteProxy { link, .. }
            | Self::Announce { link, .. } => visit(link),
        }
    }

    /// The indices of the links that it names, as far as they are known.
    pub(super) fn link_indices(&self, known: &BTreeMap<String, u32>) -> BTreeMap<String, u32> {
        let mut indices = BTreeMap::new();
        self.clone().visit_links(&mut |name| {
            if let Some((name, index)) = known.get_key_value(name) {
                indices.insert(name.clone(), *index);
            }
        });
        indices
    }
}

impl Entry {
    /// Whether a link that it names is still the one that it was; by its name of today.
    pub(super) fn is_still_there(&self, name: &str, links: &[Link]) -> bool {
        self.links
            .get(name)
            .is_some_and(|index| links.iter().any(|link| link.name == name && link.index == *index))
    }
}

/// The entries with the names that their links have today. A link whose index is gone is left with its old name:
/// one that was made anew in its place has another index.
pub(super) fn with_todays_names<'a>(entries: &'a [Entry], links: &[Link]) -> Cow<'a, [Entry]> {
    let renamed = |(name, index): (&String, &u32)| links.iter().any(|l| l.index == *index && l.name != *name);
    if !entries.iter().any(|entry| entry.links.iter().any(renamed)) {
        return Cow::Borrowed(entries);
    }
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        let today: BTreeMap<String, String> = take(&mut entry.links)
            .into_iter()
            .filter_map(|(name, index)| {
                let link = links.iter().find(|link| link.index == index)?;
                entry.links.insert(link.name.clone(), index);
                Some((name, link.name.clone()))
            })
            .collect();
        entry.change.visit_links(&mut |name| {
            if let Some(today) = today.get(name) {
                name.clone_from(today);
            }
        });
    }
    Cow::Owned(entries)
}

/// Says which links have gone with what was changed on them; `own` are those that v6tun made itself.
pub(super) fn note_lost_links<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    links: &[Link],
    is_own: impl Fn(&str) -> bool,
    undo: &mut Undo,
) {
    let lasting = entries.filter(|entry| {
        matches!(
            entry.change,
            Change::SetSysctl { .. } | Change::SetLinkForwarding { .. } | Change::DeleteAddress { .. }
        )
    });
    for name in lasting.flat_map(|entry| entry.links.keys()) {
        let note = format!("{name} is gone, and with it what was to be given back there");
        if !is_own(name) && !links.iter().any(|link| link.name == *name) && !undo.notes.contains(&note) {
            undo.notes.push(note);
        }
    }
}
