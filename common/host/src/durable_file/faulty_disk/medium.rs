//! What a faulty disk holds: what programs see of it, and what of that would survive a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Contents by number, names, and the changes of names that are not durable yet.
#[derive(Debug)]
pub(super) struct Medium {
    contents: BTreeMap<usize, Content>,
    created: usize,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// What makes the durable names the visible ones, in its order.
    pending: Vec<NameChange>,
    random: Random,
}

/// Files are only ever appended to.
#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// How many of the bytes would survive.
    synced: usize,
    /// A sync has failed: later ones answer well and do nothing.
    is_lost: bool,
}

#[derive(Debug)]
enum NameChange {
    Add { path: PathBuf, number: usize },
    Remove { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf, number: usize },
}

impl Medium {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            contents: BTreeMap::new(),
            created: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            random: Random(seed),
        }
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<usize> {
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = self.created;
        self.created += 1;
        self.contents.insert(number, Content::default());
        self.change(NameChange::Add { path: path.to_owned(), number });
        Ok(number)
    }

    pub(super) fn write(&mut self, number: usize, bytes: &[u8]) {
        if let Some(content) = self.contents.get_mut(&number) {
            content.bytes.extend_from_slice(bytes);
        }
    }

    pub(super) fn write_part(&mut self, number: usize, bytes: &[u8]) {
        let length = self.random.at_most(bytes.len());
        self.write(number, &bytes[..length]);
    }

    pub(super) fn sync(&mut self, number: usize) {
        if let Some(content) = self.contents.get_mut(&number).filter(|content| !content.is_lost) {
            content.synced = content.bytes.len();
        }
    }

    pub(super) fn fail_sync(&mut self, number: usize) {
        if let Some(content) = self.contents.get_mut(&number) {
            content.is_lost = true;
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let number = *self.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        self.change(NameChange::Rename { from: from.to_owned(), to: to.to_owned(), number });
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        if !self.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(NameChange::Remove { path: path.to_owned() });
        Ok(())
    }

    pub(super) fn sync_names(&mut self) {
        self.pending.clear();
        self.durable_names = self.names.clone();
        self.forget_nameless();
    }

    pub(super) fn content(&self, path: &Path) -> Option<&[u8]> {
        self.contents.get(self.names.get(path)?).map(|content| content.bytes.as_slice())
    }

    pub(super) fn put(&mut self, path: &Path, bytes: &[u8]) {
        let content = Content { bytes: bytes.to_vec(), synced: bytes.len(), is_lost: false };
        self.contents.insert(self.created, content);
        for names in [&mut self.names, &mut self.durable_names] {
            names.insert(path.to_owned(), self.created);
        }
        self.created += 1;
    }

    /// Does something or does not.
    pub(super) fn perhaps(&mut self, operation: impl FnOnce(&mut Self)) {
        if self.random.coin() {
            operation(self);
        }
    }

    /// Leaves what is durable, and any part of the rest.
    pub(super) fn cut_the_power(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            if self.random.coin() {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        self.forget_nameless();
        for content in self.contents.values_mut() {
            content.lose_unsynced(&mut self.random);
        }
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    fn forget_nameless(&mut self) {
        let named: BTreeSet<usize> = self.names.values().copied().collect();
        self.contents.retain(|number, _| named.contains(number));
    }
}

impl Content {
    fn lose_unsynced(&mut self, random: &mut Random) {
        let unsynced = self.bytes.len() - self.synced;
        self.bytes.truncate(self.synced + random.at_most(unsynced));
        // The length may reach the disk without the bytes.
        if random.coin() {
            self.bytes[self.synced..].fill(0);
        }
        *self = Self { synced: self.bytes.len(), bytes: std::mem::take(&mut self.bytes), is_lost: false };
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Add { path, number } => {
                names.insert(path.clone(), *number);
            }
            Self::Remove { path } => {
                names.remove(path);
            }
            Self::Rename { from, to, number } => {
                if names.get(from) == Some(number) {
                    names.remove(from);
                }
                names.insert(to.clone(), *number);
            }
        }
    }
}

/// Splitmix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 0
    }

    /// Both ends come more often than by chance.
    fn at_most(&mut self, most: usize) -> usize {
        match self.next() % 4 {
            0 => 0,
            1 => most,
            _ => usize::try_from(self.next() % (most as u64 + 1)).unwrap_or(most),
        }
    }
}
