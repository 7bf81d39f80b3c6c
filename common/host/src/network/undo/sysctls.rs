//! Rewinding what was written to the kernel's settings.

use std::collections::{BTreeMap, BTreeSet};

use super::Undo;
use crate::network::{Change, Observed, Phase, SysctlKey};

type LinkValues = BTreeMap<String, String>;

pub(super) struct SysctlRewind {
    /// The settings after the changes so far.
    state: BTreeMap<SysctlKey, String>,
    /// Links that v6tun made itself.
    own_links: BTreeSet<String>,
    /// The value that an undoing began to write to `all.forwarding`, and each link's own just before.
    begun: Option<(String, LinkValues)>,
    /// Whether `all.forwarding` is left on for somebody else.
    forwarding_is_kept: bool,
}

impl SysctlRewind {
    pub(super) fn new(observed: &Observed, own_links: BTreeSet<String>) -> Self {
        Self { state: observed.sysctls.clone(), own_links, begun: None, forwarding_is_kept: false }
    }

    /// One setting was written: put back what was there, if nobody has written it since.
    pub(super) fn set(&mut self, key: &SysctlKey, from: Option<&str>, to: &str, undo: &mut Undo) {
        let Some(from) = from.filter(|_| !self.is_of_own_link(key)) else { return };
        if self.state.get(key).is_none_or(|now| now != to) || from == to {
            return;
        }
        if self.would_deafen(key, to) {
            undo.notes.push(format!(
                "{key} stays {to}: with forwarding on, {from} would let the default route expire"
            ));
            return;
        }
        self.write(key.clone(), from, undo);
    }

    /// One link's `forwarding` was written: put back what was there, unless somebody has made the whole host
    /// a router since.
    pub(super) fn link_forwarding(&mut self, link: &str, from: &str, to: &str, all: &str, undo: &mut Undo) {
        let key = SysctlKey::forwarding_of(link);
        let all_now = self.state.get(&SysctlKey::all_forwarding()).map_or(all, String::as_str);
        if all_now != all && all_now != "0" && self.state.get(&key).is_some_and(|now| now == to) {
            self.forwarding_is_kept = true;
            undo.notes.push(format!("{key} stays {to}: somebody has turned forwarding on for all since"));
        } else {
            self.set(&key, Some(from), to, undo);
        }
    }

    /// Every link's `forwarding` was written: put back each one's own, if nobody depends on it since.
    pub(super) fn all_forwarding(
        &mut self,
        phase: Phase,
        from: &str,
        to: &str,
        links: &LinkValues,
        undo: &mut Undo,
    ) {
        if phase == Phase::Undo {
            self.begun.get_or_insert_with(|| (to.to_owned(), links.clone()));
            return;
        }
        let now = self.state.get(&SysctlKey::all_forwarding()).cloned();
        if now.as_deref() == Some(to) {
            let strangers = self.links_that_came_since(links);
            if strangers.is_empty() {
                let before = self.write_all_forwarding(from, to, undo);
                self.give_each_link_its_own(from, to, links, &before, undo);
            } else {
                self.forwarding_is_kept = true;
                undo.notes.push(format!(
                    "net.ipv6.conf.all.forwarding stays {to}: {} came since and may need it",
                    strangers.join(", ")
                ));
            }
        } else if let Some((_, before)) = self.begun.take().filter(|(written, _)| written == from)
            && now.as_deref() == Some(from)
        {
            self.give_each_link_its_own(from, to, links, &before, undo);
        }
    }

    fn links_that_came_since(&self, links: &LinkValues) -> Vec<String> {
        self.forwarding_by_link()
            .into_keys()
            .filter(|link| !links.contains_key(link) && !self.own_links.contains(link))
            .collect()
    }

    /// Writes `all.forwarding` back, and returns what each link had just before.
    fn write_all_forwarding(&mut self, from: &str, to: &str, undo: &mut Undo) -> LinkValues {
        let before = self.forwarding_by_link();
        for link in before.keys() {
            self.state.insert(SysctlKey::forwarding_of(link), from.to_owned());
        }
        self.state.insert(SysctlKey::all_forwarding(), from.to_owned());
        undo.changes.push(Change::SetAllForwarding {
            from: to.to_owned(),
            to: from.to_owned(),
            links: before.clone(),
        });
        before
    }

    /// After `all.forwarding` has overwritten them: what each link had before v6tun wrote, or what somebody
    /// else has given it since.
    fn give_each_link_its_own(
        &mut self,
        from: &str,
        to: &str,
        recorded: &LinkValues,
        before: &LinkValues,
        undo: &mut Undo,
    ) {
        for (link, own) in recorded {
            let Some(before) = before.get(link) else { continue };
            let own = if before == to { own } else { before };
            let key = SysctlKey::forwarding_of(link);
            if own != from && self.state.get(&key).is_some_and(|now| now == from) {
                self.write(key, own, undo);
            }
        }
    }

    /// Whether the setting goes when v6tun's own link goes. Until then it is to stay as it is: a tun that
    /// begins to listen to router advertisements would hand the host to its clients.
    fn is_of_own_link(&self, key: &SysctlKey) -> bool {
        key.components().iter().rev().nth(1).is_some_and(|link| self.own_links.contains(link))
    }

    /// Whether the kernel would stop listening to router advertisements: a link that forwards hears them only
    /// with `accept_ra=2`.
    fn would_deafen(&self, key: &SysctlKey, to: &str) -> bool {
        self.forwarding_is_kept && to == "2" && matches!(key.as_ipv6_conf(), Some((_, "accept_ra")))
    }

    fn forwarding_by_link(&self) -> LinkValues {
        Observed { sysctls: self.state.clone(), ..Observed::default() }.forwarding_by_link()
    }

    /// Writes a setting; several writes of one setting become one, and none if they lead nowhere.
    fn write(&mut self, key: SysctlKey, value: &str, undo: &mut Undo) {
        let mut from = self.state.insert(key.clone(), value.to_owned());
        let is_overwrite = |change: &Change| matches!(change, Change::SetAllForwarding { .. });
        let start = undo.changes.iter().rposition(is_overwrite).map_or(0, |at| at + 1);
        let is_earlier = |change: &Change| matches!(change, Change::SetSysctl { key: k, .. } if *k == key);
        if let Some(at) = undo.changes.iter().skip(start).position(is_earlier)
            && let Change::SetSysctl { from: first, .. } = undo.changes.remove(start + at)
        {
            from = first;
        }
        if from.as_deref() != Some(value) {
            undo.changes.push(Change::SetSysctl { key, from, to: value.to_owned() });
        }
    }
}
