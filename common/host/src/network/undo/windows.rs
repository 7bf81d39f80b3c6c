//! Rewinding the settings that Windows alone has of a link: its metric and its name servers.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::Undo;
use crate::network::{Change, Observed};

/// The settings as far as the journal has been rewound.
pub(super) struct WindowsRewind {
    metrics: BTreeMap<String, Option<u32>>,
    name_servers: BTreeMap<String, Vec<Ipv6Addr>>,
}

impl WindowsRewind {
    pub(super) fn new(observed: &Observed) -> Self {
        Self { metrics: observed.metrics.clone(), name_servers: observed.name_servers.clone() }
    }

    /// Rewinds a change, if it is one of these settings and nobody else has changed it since.
    pub(super) fn change(&mut self, change: &Change) {
        match change {
            Change::SetInterfaceMetric { link, from, to } => put_back(&mut self.metrics, link, from, to),
            Change::SetNameServers { link, from, to } => put_back(&mut self.name_servers, link, from, to),
            _ => {}
        }
    }

    /// Leads from how the settings are to how they would be: once for each, however often it was changed.
    pub(super) fn finish(self, observed: &Observed, undo: &mut Undo) {
        for (link, to) in self.metrics {
            let from = observed.metrics.get(&link).copied().flatten();
            if from != to {
                undo.changes.push(Change::SetInterfaceMetric { link, from, to });
            }
        }
        for (link, to) in self.name_servers {
            let from = observed.name_servers.get(&link).cloned().unwrap_or_default();
            if from != to {
                undo.changes.push(Change::SetNameServers { link, from, to });
            }
        }
    }
}

fn put_back<T: Clone + PartialEq>(state: &mut BTreeMap<String, T>, link: &str, from: &T, to: &T) {
    if let Some(now) = state.get_mut(link).filter(|now| *now == to) {
        now.clone_from(from);
    }
}
