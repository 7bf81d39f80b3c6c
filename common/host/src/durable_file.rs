//! Files that are replaced as a whole: after a crash at any moment either the old or the new content is there.
//!
//! ```text
//! remove NAME.new (left by a crash) ─> create it (O_EXCL) ─> write ─> sync          prepare: nothing is changed yet
//!                                                                      └─> rename to NAME ─> sync the folder   commit
//! ```
//!
//! A full disk is found out before anything is changed, as room is needed only until the new file is synced. A sync
//! that failed is never tried again on the same file: Linux forgets what it could not write, and would say yes to
//! the second. What is done here is done through a [`Disk`], so that tests can let each operation fail.

mod disk;
mod error;
mod faulty_disk;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub use disk::{Disk, RealDisk};
pub use error::DurableFileError;
pub use faulty_disk::{Fault, FaultyDisk, Loss};

/// Replaces a file, or makes it. Returns when the new content survives a power cut. A symbolic link in its place
/// is replaced, not followed.
///
/// # Errors
/// [`DurableFileError`]. The old content is there as before, unless renaming or syncing the folder was what failed:
/// then it may be either.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableFileError> {
    replace_on(&mut RealDisk, path, bytes, mode)
}

/// [`replace`] on a certain disk.
///
/// # Errors
/// As [`replace`].
pub fn replace_on<D: Disk>(
    disk: &mut D,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), DurableFileError> {
    Prepared::write(disk, path, bytes, mode)?.commit(disk)
}

/// The content of a regular file of at most `limit` bytes; `None` where there is no file.
///
/// # Errors
/// [`DurableFileError`]; its kind is [`io::ErrorKind::FileTooLarge`] for one that is larger, and
/// [`io::ErrorKind::InvalidData`] for a folder, a pipe or a device.
pub fn read_on<D: Disk>(disk: &mut D, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, DurableFileError> {
    match disk.read(path, limit) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some).map_err(failed("read", path)),
    }
}

/// Gives a file another name, durably. Whatever has that name is replaced.
///
/// # Errors
/// [`DurableFileError`], of the kind [`io::ErrorKind::NotFound`] where there is no such file.
pub fn rename_on<D: Disk>(disk: &mut D, from: &Path, to: &Path) -> Result<(), DurableFileError> {
    disk.rename(from, to).map_err(failed("rename", from))?;
    sync_folder_on(disk, folder_of(to))
}

/// Makes all names in a folder durable.
///
/// # Errors
/// [`DurableFileError`].
pub fn sync_folder_on<D: Disk>(disk: &mut D, folder: &Path) -> Result<(), DurableFileError> {
    disk.sync_folder(folder).map_err(failed("sync", folder))
}

/// New content that is on the disk beside the file that it is to replace.
#[derive(Debug)]
#[must_use = "it is not in place before it is committed"]
pub struct Prepared {
    path: PathBuf,
    new: PathBuf,
}

impl Prepared {
    /// Writes the new content under the name `<path>.new`, and syncs it. Nobody but the owner can open the file
    /// before it has its `mode`.
    ///
    /// # Errors
    /// [`DurableFileError`]. Nothing has changed then, and no room is taken.
    pub fn write<D: Disk>(
        disk: &mut D,
        path: &Path,
        bytes: &[u8],
        mode: u32,
    ) -> Result<Self, DurableFileError> {
        let prepared = Self { path: path.to_owned(), new: name_of_new(path) };
        match prepared.fill(disk, bytes, mode) {
            Ok(()) => Ok(prepared),
            Err(error) => {
                prepared.discard(disk);
                Err(error)
            }
        }
    }

    /// The file that is to be replaced.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn fill<D: Disk>(&self, disk: &mut D, bytes: &[u8], mode: u32) -> Result<(), DurableFileError> {
        match disk.remove(&self.new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &self.new)(error));
            }
            _ => {}
        }
        let mut file = disk.create(&self.new, mode).map_err(failed("create", &self.new))?;
        disk.write(&mut file, bytes).map_err(failed("write", &self.new))?;
        disk.sync(&mut file).map_err(failed("sync", &self.new))
    }

    /// Puts the new content in place, and returns when that survives a power cut.
    ///
    /// # Errors
    /// [`DurableFileError`]. Either content may be there then.
    pub fn commit<D: Disk>(self, disk: &mut D) -> Result<(), DurableFileError> {
        if let Err(error) = disk.rename(&self.new, &self.path).map_err(failed("rename", &self.new)) {
            self.discard(disk);
            return Err(error);
        }
        sync_folder_on(disk, folder_of(&self.path))
    }

    /// Takes the new content away again.
    pub fn discard<D: Disk>(self, disk: &mut D) {
        // What cannot be removed is in nobody's way: the next one is written after removing it.
        let _ = disk.remove(&self.new);
    }
}

/// Where the new content of a file stands until it is complete.
#[must_use]
pub fn name_of_new(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    PathBuf::from(name)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DurableFileError {
    move |source| DurableFileError { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
