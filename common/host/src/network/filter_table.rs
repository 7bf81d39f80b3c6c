//! A table of nftables that is v6tun's own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A table of the family `ip6`, whole: it is set and deleted in one transaction, and never added to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterTable {
    /// Its name, a word.
    pub name: String,
    /// What stands between its braces, in the language of `nft(8)`, a statement a line.
    pub body: String,
}

impl fmt::Display for FilterTable {
    /// What `nft -f -` takes, whether there is a table of that name or not: an empty one is made in any case, so that
    /// the deletion finds one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, body } = self;
        writeln!(f, "table ip6 {name} {{}}")?;
        writeln!(f, "delete table ip6 {name}")?;
        writeln!(f, "table ip6 {name} {{\n{}\n}}", body.trim_end())
    }
}

/// What stands in the kernel under the name of such a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenTable {
    /// What this process has put there, unchanged.
    AsSet(FilterTable),
    /// Anything else: of a former run, or changed by somebody.
    Other,
}
