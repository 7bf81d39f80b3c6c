//! What replacing a file needs of a disk.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

/// The operations, each of which may fail or be the last before a crash.
pub trait Disk {
    /// A file that is being written.
    type File;

    /// A new file with these permission bits. Fails where there is one of that name.
    ///
    /// # Errors
    /// What the kernel says, as in all of these.
    fn create(&mut self, path: &Path, mode: u32) -> io::Result<Self::File>;

    /// All of the bytes.
    ///
    /// # Errors
    /// A part of them may have been written then.
    fn write(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Returns when the content survives a power cut.
    ///
    /// # Errors
    /// The content must be taken for lost then.
    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;

    /// Gives a file another name, in one step.
    ///
    /// # Errors
    /// Nothing says whether it was done.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;

    /// Returns when the names in a folder survive a power cut.
    ///
    /// # Errors
    /// The names may be the old ones or the new ones then.
    fn sync_folder(&mut self, folder: &Path) -> io::Result<()>;

    /// The content of a regular file.
    ///
    /// # Errors
    /// `FileTooLarge` for one of more than `limit` bytes, `InvalidData` for what is no regular file.
    fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// Takes a file away.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    type File = File;

    fn create(&mut self, path: &Path, mode: u32) -> io::Result<File> {
        platform::create(path, mode)
    }

    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&mut self, file: &mut File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        platform::rename(from, to)
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        platform::sync_folder(folder)
    }

    fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let file = platform::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
        }
        // Room for all of it at once: a content that is secret leaves no copies behind in memory.
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit) + 1).unwrap_or(0));
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(too_large(limit));
        }
        Ok(bytes)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// What reading says of a file that is larger than its bound.
pub(super) fn too_large(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes"))
}
