//! The table of nftables that is v6tun's own, by `nft`: its language is stable, that of the kernel is not.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::network::filter_table::{FilterTable, SeenTable};
use crate::packet_filter::{generation, run_nft};

/// What was set last, and how `nft` lists it: it writes rules in its own way, so that what was set cannot be
/// compared with what is listed.
#[derive(Debug, Clone)]
struct Set {
    table: FilterTable,
    listing: String,
    /// Of the kernel's whole ruleset, when this was listed: where it is the same nothing has changed.
    generation: Option<u32>,
}

/// Sets, looks at and deletes tables.
#[derive(Debug, Clone, Default)]
pub(super) struct FilterTables(Arc<Mutex<Option<Set>>>);

impl FilterTables {
    pub(super) fn set(&self, table: &FilterTable) -> io::Result<()> {
        let before = generation();
        run_nft(&["-f", "-"], &table.to_string())?;
        let listing = list(&table.name)?.unwrap_or_default();
        let generation = generation();
        let set = Set { table: table.clone(), listing, generation };
        // A transaction counts one (`nf_tables_commit` in `net/netfilter/nf_tables_api.c`). Where somebody else has had one
        // meanwhile, what is listed may be theirs: then the next look finds another table than ours, and sets it anew.
        let is_ours = generation == before.map(|before| before.wrapping_add(1));
        self.remember(is_ours.then_some(set));
        Ok(())
    }

    /// Of a table that is gone already nothing is left to do.
    pub(super) fn delete(&self, name: &str) -> io::Result<()> {
        self.remember(None);
        run_nft(&["-f", "-"], &format!("table ip6 {name} {{}}\ndelete table ip6 {name}\n")).map(drop)
    }

    /// `None`: there is no table of that name.
    pub(super) fn look(&self, name: &str) -> io::Result<Option<SeenTable>> {
        let set = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let set = set.filter(|set| set.table.name == name);
        let now = generation();
        if let Some(set) = &set
            && now.is_some()
            && set.generation == now
        {
            return Ok(Some(SeenTable::AsSet(set.table.clone())));
        }
        let Some(listing) = list(name)? else { return Ok(None) };
        match set {
            // What changes while it is listed is seen the next time, as that number is older.
            Some(set) if set.listing == listing => {
                let table = set.table.clone();
                self.remember(Some(Set { generation: now, ..set }));
                Ok(Some(SeenTable::AsSet(table)))
            }
            _ => Ok(Some(SeenTable::Other)),
        }
    }

    fn remember(&self, set: Option<Set>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = set;
    }
}

/// Without the values of counters and sets; `None`: there is no such table.
fn list(name: &str) -> io::Result<Option<String>> {
    match run_nft(&["--stateless", "list", "table", "ip6", name], "") {
        Ok(listing) => Ok(Some(listing)),
        Err(error) if error.to_string().contains("No such file or directory") => Ok(None),
        Err(error) => Err(error),
    }
}
