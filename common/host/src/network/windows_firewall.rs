//! v6tun's own rules among those of Windows' firewall: which there are, and how one is put there and taken away. No call
//! of Windows is made here; [`RuleStore`] is the firewall.
//!
//! A PC has some five hundred rules and more, and to look through them all is slow. So that is done once, for what an
//! earlier run may have left; after that rules are asked for by their names, which say all that is in them.
//!
//! *Whose is a rule?* A rule of v6tun's has the grouping and a name that begins as [`FirewallRule::prefix`] says. It is in
//! force if all its properties are as its name says: one that somebody has disabled or changed is put there anew. Names
//! are not unique in Windows, and rules are removed by their names.

pub(super) mod properties;
pub(super) mod standing;

use std::collections::BTreeSet;
use std::io;

use self::properties::RuleProperties;
use super::FirewallRule;

/// Rules of one name that are removed at the most. Two runs at one time may add one twice; more are somebody's doing.
const MAX_NAMESAKES: usize = 32;

/// The firewall's rules.
pub(super) trait RuleStore {
    /// The names of all rules of v6tun's.
    fn own_names(&self) -> io::Result<BTreeSet<String>>;
    /// A rule of this name, whosever it is; one of them, if there are several.
    fn find(&self, name: &str) -> io::Result<Option<RuleProperties>>;
    /// Adds a rule beside those of its name.
    fn add(&self, rule: &RuleProperties) -> io::Result<()>;
    /// Removes one rule of this name, or all of them.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// The rules that there are, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct RuleBook {
    /// Their names; `None`: not looked through yet.
    names: Option<BTreeSet<String>>,
}

impl RuleBook {
    /// Nothing is known.
    pub(super) const fn new() -> Self {
        Self { names: None }
    }

    /// Whether the next look is one through all rules.
    pub(super) fn is_new(&self) -> bool {
        self.names.is_none()
    }

    /// Of the `expected` rules those that are in force, and all others of v6tun's own, in force or not.
    pub(super) fn look(
        &mut self,
        store: &impl RuleStore,
        expected: &[FirewallRule],
    ) -> io::Result<Vec<FirewallRule>> {
        let mut names = match self.names.take() {
            Some(names) => names,
            None => store.own_names()?,
        };
        names.extend(expected.iter().map(FirewallRule::name));
        let (mut found, mut there) = (Vec::new(), BTreeSet::new());
        for name in names {
            let Some(properties) = store.find(&name)? else { continue };
            let rule = match expected.iter().find(|rule| rule.name() == name) {
                Some(rule) => properties.are_of(rule).then(|| rule.clone()),
                None => properties::rule_of_name(&name),
            };
            found.extend(rule);
            there.insert(name);
        }
        self.names = Some(there);
        Ok(found)
    }

    /// All rules of v6tun's own, in force or not, after a look through all there are.
    pub(super) fn look_through(&mut self, store: &impl RuleStore) -> io::Result<Vec<FirewallRule>> {
        self.names = None;
        self.look(store, &[])
    }

    /// Puts a rule there, in the place of all of its name: none that is in force is replaced, as it would not be missed.
    pub(super) fn add(&mut self, store: &impl RuleStore, rule: &FirewallRule) -> io::Result<()> {
        let name = rule.name();
        remove_all(store, &name)?;
        store.add(&RuleProperties::of(rule))?;
        if let Some(names) = &mut self.names {
            names.insert(name);
        }
        Ok(())
    }

    /// Takes a rule away, with all of its name. One that is not there is as good.
    pub(super) fn delete(&mut self, store: &impl RuleStore, rule: &FirewallRule) -> io::Result<()> {
        let name = rule.name();
        remove_all(store, &name)?;
        if let Some(names) = &mut self.names {
            names.remove(&name);
        }
        Ok(())
    }
}

/// Takes all rules of v6tun's own away, of whichever interface, and returns how many names they had.
pub(super) fn delete_all(store: &impl RuleStore) -> io::Result<usize> {
    let names = store.own_names()?;
    names.iter().try_for_each(|name| remove_all(store, name))?;
    Ok(names.len())
}

fn remove_all(store: &impl RuleStore, name: &str) -> io::Result<()> {
    for _ in 0..MAX_NAMESAKES {
        if store.find(name)?.is_none() {
            return Ok(());
        }
        store.remove(name)?;
    }
    Err(io::Error::other(format!("there are rules called \"{name}\" that cannot be removed")))
}

#[cfg(test)]
mod tests;
