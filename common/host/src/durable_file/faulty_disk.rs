//! A disk in memory that fails as it is told, and forgets in a power cut what was not synced. For tests.
//!
//! It promises no more than POSIX: what was written to a file lasts from its sync on, names from their folder's; of
//! what is not synced any part may reach the disk before the power is cut, in any combination. A file whose sync has
//! failed never reaches it for certain, whatever later syncs answer. All of it follows from the seed.

mod medium;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;

use self::medium::Medium;
#[cfg(unix)]
use self::unix::{IO, NO_SPACE};
#[cfg(windows)]
use self::windows::{IO, NO_SPACE};
use super::disk::{Disk, too_large};

/// What happens instead of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full; writing writes a part first. Reading and removing need no room, and are done.
    NoSpace,
    /// The disk answers with an error; the operation may have been done nevertheless.
    Io,
    /// The operation may be done, and is the last: all that follow fail until [`FaultyDisk::restart`].
    Crash,
}

/// What a crash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The process was killed: nothing.
    Nothing,
    /// The power was cut: what was not synced may be lost.
    Unsynced,
}

/// A handle of the disk; clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct FaultyDisk {
    inner: Rc<RefCell<Inner>>,
}

#[derive(Debug)]
struct Inner {
    medium: Medium,
    /// By the operation's number.
    faults: BTreeMap<u64, Fault>,
    operations: u64,
    is_crashed: bool,
}

/// A file that is being written on a [`FaultyDisk`].
#[derive(Debug)]
pub struct FaultyFile {
    number: usize,
}

impl FaultyDisk {
    /// An empty one.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let inner =
            Inner { medium: Medium::new(seed), faults: BTreeMap::new(), operations: 0, is_crashed: false };
        Self { inner: Rc::new(RefCell::new(inner)) }
    }

    /// Lets the operation fail that comes after `skipped` others.
    pub fn fail_after(&self, skipped: u64, fault: Fault) {
        let mut inner = self.inner.borrow_mut();
        let number = inner.operations + skipped;
        inner.faults.insert(number, fault);
    }

    /// Takes back the faults that have not come yet.
    pub fn forgive(&self) {
        self.inner.borrow_mut().faults.clear();
    }

    /// How many operations were asked of it so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.inner.borrow().operations
    }

    /// Whether it has come to [`Fault::Crash`].
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        self.inner.borrow().is_crashed
    }

    /// The machine or the process begins anew, whether it had crashed or not. No fault is due any more.
    pub fn restart(&self, loss: Loss) {
        let mut inner = self.inner.borrow_mut();
        inner.is_crashed = false;
        inner.faults.clear();
        if loss == Loss::Unsynced {
            inner.medium.cut_the_power();
        }
    }

    /// What a file holds.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        self.inner.borrow().medium.content(path).map(<[u8]>::to_vec)
    }

    /// Puts a file there, durably.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        self.inner.borrow_mut().medium.put(path, bytes);
    }

    /// Does an operation; or, where a fault is due, what the fault leaves of it.
    fn run<T>(
        &self,
        needs: Needs,
        operation: impl FnOnce(&mut Medium) -> io::Result<T>,
        spoilt: impl FnOnce(&mut Medium),
    ) -> io::Result<T> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.is_crashed {
            return Err(crashed());
        }
        let fault = inner.faults.remove(&inner.operations);
        inner.operations += 1;
        let error = match fault {
            None => return operation(&mut inner.medium),
            Some(Fault::NoSpace) if needs == Needs::NoRoom => return operation(&mut inner.medium),
            Some(Fault::NoSpace) => io::Error::from_raw_os_error(NO_SPACE),
            Some(Fault::Io) => io::Error::from_raw_os_error(IO),
            Some(Fault::Crash) => crashed(),
        };
        inner.is_crashed = fault == Some(Fault::Crash);
        spoilt(&mut inner.medium);
        Err(error)
    }
}

/// Whether an operation can find the disk full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Room,
    NoRoom,
}

impl Disk for FaultyDisk {
    type File = FaultyFile;

    fn create(&mut self, path: &Path, _mode: u32) -> io::Result<FaultyFile> {
        let create = |medium: &mut Medium| Ok(FaultyFile { number: medium.create(path)? });
        self.run(Needs::Room, create, |medium| medium.perhaps(|medium| drop(medium.create(path))))
    }

    fn write(&mut self, file: &mut FaultyFile, bytes: &[u8]) -> io::Result<()> {
        let write = |medium: &mut Medium| {
            medium.write(file.number, bytes);
            Ok(())
        };
        self.run(Needs::Room, write, |medium| medium.write_part(file.number, bytes))
    }

    fn sync(&mut self, file: &mut FaultyFile) -> io::Result<()> {
        let sync = |medium: &mut Medium| {
            medium.sync(file.number);
            Ok(())
        };
        self.run(Needs::Room, sync, |medium| medium.fail_sync(file.number))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let rename = |medium: &mut Medium| medium.rename(from, to);
        self.run(Needs::Room, rename, |medium| medium.perhaps(|medium| drop(medium.rename(from, to))))
    }

    fn sync_folder(&mut self, _folder: &Path) -> io::Result<()> {
        let sync = |medium: &mut Medium| {
            medium.sync_names();
            Ok(())
        };
        self.run(Needs::Room, sync, |medium| medium.perhaps(Medium::sync_names))
    }

    fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let read = |medium: &mut Medium| {
            let content = medium.content(path).ok_or(io::ErrorKind::NotFound)?;
            if content.len() as u64 > limit { Err(too_large(limit)) } else { Ok(content.to_vec()) }
        };
        self.run(Needs::NoRoom, read, |_| {})
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let remove = |medium: &mut Medium| medium.remove(path);
        self.run(Needs::NoRoom, remove, |medium| medium.perhaps(|medium| drop(medium.remove(path))))
    }
}

fn crashed() -> io::Error {
    io::Error::other("the machine has crashed")
}
