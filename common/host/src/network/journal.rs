//! The undo journal: each change is written down before it is done.
//!
//! One JSON object a line. The first line says whose state the rest describes: the boot and the network
//! namespace. After another boot the kernel has forgotten what the journal could undo, but for what is stored (a
//! firewall's rules). The rest needs not reach the disk in time either: it has to survive the process, not the machine.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[cfg(unix)]
use self::unix::{create_private, open_to_append};
#[cfg(windows)]
use self::windows::{create_private, open_to_append};
use super::{Change, LeftTun, Link};
use crate::durable_file::{Disk as _, RealDisk, name_of_new};

/// The journal's format; another one is refused.
const VERSION: u32 = 1;
/// The largest journal that is read or written. An entry has up to some 2 KiB (an uplink with some forty
/// addresses), so that this is room for thousands of leases and repairs.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Whose kernel state a journal describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// The inode of `/proc/self/ns/net`.
    pub network_namespace: u64,
}

/// Why a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// To make a requirement true.
    Do,
    /// To give the host back; recorded only where a stop half-way must be recognized.
    Undo,
}

/// One change, as it was recorded before it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Seconds since boot, sleep included.
    pub at: u64,
    /// Why it was made.
    pub phase: Phase,
    /// What was to be done.
    pub change: Change,
    /// The index of each link that it names, by which the link is found where its name has changed since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, u32>,
}

impl Entry {
    /// Whether, of two that delete one address, the newer lets it live at least twice as long as what is left
    /// of the older. Those in between are near enough: who gives an address a lifetime renews it as well.
    fn is_outlived_by(&self, newer: &Self) -> bool {
        let (Change::DeleteAddress { address: old, .. }, Change::DeleteAddress { address: new, .. }) =
            (&self.change, &newer.change)
        else {
            return false;
        };
        let forever = u64::from(u32::MAX);
        let elapsed = newer.at.saturating_sub(self.at);
        let left = |seconds: Option<u32>| seconds.map_or(forever, |s| u64::from(s).saturating_sub(elapsed));
        let renewed = |seconds: Option<u32>| seconds.map_or(forever, u64::from);
        let is_outlived = |old, new| renewed(new) > left(old).saturating_mul(2);
        is_outlived(old.valid, new.valid) || is_outlived(old.preferred, new.preferred)
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    #[serde(flatten)]
    identity: Identity,
}

/// An error of the journal's file.
#[derive(Debug, Error)]
pub enum JournalError {
    /// It could not be read, written or removed.
    #[error("{operation} undo journal {}: {source}", path.display())]
    Io {
        /// `read`, `write`, `remove`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It holds something that this version cannot read.
    #[error("undo journal {} line {line}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// It describes another network namespace of this boot, in which its changes still stand.
    #[error("undo journal {} is of another network namespace", .0.display())]
    OtherNamespace(PathBuf),
    /// It has grown beyond its bound.
    #[error("undo journal {} is larger than {MAX_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
}

impl JournalError {
    /// What the administrator can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { .. } => None,
            Self::OtherNamespace(path) => Some(format!(
                "run the command inside that network namespace; if the namespace is gone, remove {}",
                path.display()
            )),
            Self::Malformed { path, .. } | Self::TooLarge(path) => {
                Some(format!("restore the host by hand as the file says, then remove {}", path.display()))
            }
        }
    }
}

/// The changes that were made to the host and not yet undone, oldest first.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    identity: Identity,
    entries: Vec<Entry>,
    /// The first line that cannot be read, and why.
    damage: Option<(usize, String)>,
    /// Every link's index, as last seen.
    links: BTreeMap<String, u32>,
    /// Open for appending once something has been recorded; not on a read-only file system.
    file: Option<File>,
    bytes: u64,
}

impl Journal {
    /// Reads the journal at `path`, if there is one. It is created with the first record.
    ///
    /// Of a journal of another boot only what is stored beyond a boot is kept; without that it is removed, with a line
    /// in the log. A last line that was torn off is cut away:
    /// its change was never made. On a read-only file system the journal is read, and only recording fails.
    ///
    /// # Errors
    /// If the file cannot be read, is of another network namespace of this boot, is larger than 16 MiB, or if its
    /// header is damaged. A damaged line after that is an error only when [removing](Self::remove) or recording, so
    /// that the others can be undone.
    pub fn open(path: &Path, identity: Identity) -> Result<Self, JournalError> {
        let mut journal = Self {
            path: path.into(),
            identity,
            entries: Vec::new(),
            damage: None,
            links: BTreeMap::new(),
            file: None,
            bytes: 0,
        };
        let Some(text) = journal.read()? else { return Ok(journal) };
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        let Some(first) = lines.next() else {
            journal.discard("it has no whole line")?;
            return Ok(journal);
        };
        let malformed = |message| JournalError::Malformed { path: path.into(), line: 1, message };
        let header: Header = serde_json::from_slice(first).map_err(|e| malformed(e.to_string()))?;
        if header.identity.boot_id != journal.identity.boot_id {
            return journal.carried_over(lines.filter_map(|line| serde_json::from_slice(line).ok()));
        }
        if header.identity != journal.identity {
            return Err(JournalError::OtherNamespace(path.into()));
        }
        if header.version != VERSION {
            return Err(malformed(format!("version {} instead of {VERSION}", header.version)));
        }
        for (i, line) in lines.enumerate() {
            match serde_json::from_slice(line) {
                Ok(entry) => journal.entries.push(entry),
                Err(error) => drop(journal.damage.get_or_insert((i + 2, error.to_string()))),
            }
        }
        journal.bytes = text.len() as u64;
        journal.reopen_if_writable()?;
        Ok(journal)
    }

    /// Goes on with what is still in force of the entries of another boot.
    fn carried_over(mut self, entries: impl Iterator<Item = Entry>) -> Result<Self, JournalError> {
        self.entries = entries.filter(|entry| entry.change.outlives_boot()).collect();
        if self.entries.is_empty() {
            self.discard("it is of another boot")?;
        } else {
            self.rewrite()?;
        }
        Ok(self)
    }

    /// The changes recorded so far, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether there is nothing to undo.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.damage.is_none()
    }

    /// What the server before has left for this one, among these links of today. Nothing where the journal is damaged: then
    /// it does not say all that was changed.
    #[must_use]
    pub fn left_tun(&self, links: &[Link]) -> Option<LeftTun> {
        self.damage.is_none().then(|| LeftTun::find(&self.entries, links))?
    }

    /// Where the journal is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a change down, which must be done only afterwards. A change that stands there already is not
    /// written again, so that a repair made over and over does not make the journal grow. Where an address that is
    /// deleted anew has longer to live, the entry is replaced.
    ///
    /// # Errors
    /// If the file cannot be written, would become larger than 16 MiB, or is damaged and the change is not one of
    /// an undoing. The change must then not be made.
    pub fn record(&mut self, at: u64, phase: Phase, change: &Change) -> Result<(), JournalError> {
        if phase == Phase::Do {
            self.require_undamaged()?;
        }
        let entry = self.entry(at, phase, change);
        let repeats = |old: &Entry| old.phase == phase && old.change.repeats(change);
        if phase == Phase::Do
            && let Some(number) = self.entries.iter().position(repeats)
        {
            self.renew(number, entry);
            return Ok(());
        }
        self.append(&entry)?;
        self.entries.push(entry);
        Ok(())
    }

    /// Holds a change for as long as the process lives, where the file cannot take it.
    pub(super) fn remember(&mut self, at: u64, phase: Phase, change: &Change) {
        let entry = self.entry(at, phase, change);
        self.entries.push(entry);
    }

    /// Goes on with these entries in place of its own, which say the same in fewer words.
    ///
    /// Where the file cannot be replaced, or holds a line that could not be read, all stays as it was: that says
    /// enough to undo everything.
    pub(super) fn replace(&mut self, entries: Vec<Entry>) -> Result<(), JournalError> {
        self.require_undamaged()?;
        let before = std::mem::replace(&mut self.entries, entries);
        self.rewrite().inspect_err(|_| self.entries = before)
    }

    /// Tells which links there are: their indices go into the entries that name them.
    pub(super) fn know_links(&mut self, links: &[Link]) {
        self.links = links.iter().map(|link| (link.name.clone(), link.index)).collect();
    }

    fn entry(&self, at: u64, phase: Phase, change: &Change) -> Entry {
        Entry { at, phase, change: change.clone(), links: change.link_indices(&self.links) }
    }

    /// Puts an entry in the place of one that says the same of an address with other lifetimes.
    ///
    /// The file says enough to undo the change already: where it cannot be replaced, only lifetimes are lost.
    fn renew(&mut self, number: usize, entry: Entry) {
        match self.entries.get_mut(number) {
            Some(old) if old.is_outlived_by(&entry) => *old = entry,
            _ => return,
        }
        if let Err(error) = self.rewrite() {
            tracing::warn!("{error}; an address's new lifetimes would not survive a kill");
        }
    }

    /// Writes all that is known into a new file, which takes the place of the old one at once.
    fn rewrite(&mut self) -> Result<(), JournalError> {
        let mut text = self.line(&Header { version: VERSION, identity: self.identity.clone() })?;
        for entry in &self.entries {
            text.push_str(&self.line(entry)?);
        }
        let file = self.put_in_place(&text).map_err(|e| self.io("write", e))?;
        self.file = Some(file);
        self.bytes = text.len() as u64;
        Ok(())
    }

    /// Writes beside the file, and renames. The old one is closed for that, as Windows replaces no file that is open
    /// everywhere; where renaming fails it is opened anew by whoever appends.
    fn put_in_place(&mut self, text: &str) -> io::Result<File> {
        let new = name_of_new(&self.path);
        if let Err(error) = std::fs::remove_file(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = create_private(&new)?;
        file.write_all(text.as_bytes())?;
        self.file = None;
        RealDisk.rename(&new, &self.path)?;
        Ok(file)
    }

    /// Removes the file: everything has been undone.
    ///
    /// # Errors
    /// If the file is there and cannot be removed, or must be kept, for a line of it could not be read.
    pub fn remove(mut self) -> Result<(), JournalError> {
        self.require_undamaged()?;
        self.delete_file()
    }

    fn require_undamaged(&self) -> Result<(), JournalError> {
        let Some((line, message)) = self.damage.clone() else { return Ok(()) };
        Err(JournalError::Malformed { path: self.path.clone(), line, message })
    }

    /// All whole lines.
    fn read(&self) -> Result<Option<Vec<u8>>, JournalError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io("read", error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| self.io("read", e))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(JournalError::TooLarge(self.path.clone()));
        }
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        Ok(Some(bytes))
    }

    /// Opens for appending, and cuts a torn last line away.
    fn reopen(&mut self) -> Result<(), JournalError> {
        let file = open_to_append(&self.path).map_err(|e| self.io("write", e))?;
        file.set_len(self.bytes).map_err(|e| self.io("write", e))?;
        self.file = Some(file);
        Ok(())
    }

    /// The same where the file was only read so far: what cannot be written can still be undone.
    fn reopen_if_writable(&mut self) -> Result<(), JournalError> {
        match self.reopen() {
            Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                tracing::warn!(journal = %self.path.display(), "the undo journal is on a read-only file system");
                Ok(())
            }
            result => result,
        }
    }

    fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let mut text = String::new();
        if self.file.is_none() && self.bytes > 0 {
            self.reopen()?;
        }
        if self.file.is_none() {
            let header = Header { version: VERSION, identity: self.identity.clone() };
            text.push_str(&self.line(&header)?);
            self.file = Some(create_private(&self.path).map_err(|e| self.io("write", e))?);
        }
        text.push_str(&self.line(entry)?);
        if self.bytes + text.len() as u64 > MAX_BYTES {
            return Err(JournalError::TooLarge(self.path.clone()));
        }
        let before = self.bytes;
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = file.seek(SeekFrom::Start(before)).and_then(|_| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            // A part of the line may be there: the next one must not follow it.
            let cut = file.set_len(before);
            if before == 0 {
                self.delete_file()?;
            } else if cut.is_err() {
                self.file = None;
            }
            return Err(self.io("write", error));
        }
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn line(&self, value: &impl Serialize) -> Result<String, JournalError> {
        let mut text = serde_json::to_string(value).map_err(|e| self.io("write", e.into()))?;
        text.push('\n');
        Ok(text)
    }

    fn discard(&mut self, why: &str) -> Result<(), JournalError> {
        tracing::info!(journal = %self.path.display(), "old undo journal removed: {why}");
        self.delete_file()
    }

    fn delete_file(&mut self) -> Result<(), JournalError> {
        self.file = None;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io("remove", error)),
            _ => Ok(()),
        }
    }

    fn io(&self, operation: &'static str, source: io::Error) -> JournalError {
        JournalError::Io { operation, path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests;
