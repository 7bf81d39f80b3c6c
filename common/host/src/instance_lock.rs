//! One running instance per runtime directory: a locked file that holds the process id.
//!
//! The kernel gives the lock up when the process ends, however it ends. The file itself stays: removing it would
//! let two processes hold two files of one name.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::limits::{LOCK_FILE_LEN, LOCK_RETRY};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix::{open, try_lock};
#[cfg(windows)]
use windows::{open, try_lock};

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct InstanceLock {
    file: File,
}

impl InstanceLock {
    /// Takes the lock, or says who has it.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] at once if another process has it.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let mut file = open(path).map_err(failed)?;
        match try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { path: path.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut lock = Self { file };
        lock.write_pid().map_err(failed)?;
        Ok(lock)
    }

    /// Takes the lock as soon as its holder has given it up.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] if that takes longer than `patience`.
    pub async fn acquire_within(path: &Path, patience: Duration) -> Result<Self, LockError> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            match Self::acquire(path) {
                Err(LockError::Held { .. }) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_RETRY).await;
                }
                outcome => return outcome,
            }
        }
    }

    fn write_pid(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }
}

impl Drop for InstanceLock {
    fn drop(&mut self) {
        // An old process id beside a free lock misleads nobody but a reader of the file.
        let _ = self.file.set_len(0);
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(LOCK_FILE_LEN).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{}", describe_holder(*pid))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The holder, where it has written its id yet.
        pid: Option<u32>,
    },
    /// The file cannot be opened or locked.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl LockError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held { .. } => {
                Some("`status` shows it and `down` ends it; a second one needs its own --state-dir and --runtime-dir".to_owned())
            }
            Self::Io { .. } => None,
        }
    }
}

fn describe_holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("already running (process {pid})"),
        None => "already running".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.lock");
        let _held = InstanceLock::acquire(&path).unwrap();
        let error = InstanceLock::acquire(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("already running (process {})", std::process::id()));
    }

    #[test]
    fn a_lock_that_was_dropped_can_be_taken_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.lock");
        drop(InstanceLock::acquire(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        InstanceLock::acquire(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.lock");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert!(matches!(InstanceLock::acquire(&path), Err(LockError::Io { .. })));
    }

    #[tokio::test]
    async fn waiting_ends_when_the_holder_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.lock");
        let held = InstanceLock::acquire(&path).unwrap();
        let impatient = InstanceLock::acquire_within(&path, Duration::ZERO).await;
        assert!(matches!(impatient, Err(LockError::Held { .. })));
        let patient = InstanceLock::acquire_within(&path, Duration::from_secs(10));
        let (taken, ()) = tokio::join!(patient, async { drop(held) });
        assert!(taken.is_ok());
    }
}
