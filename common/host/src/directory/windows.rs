//! Who owns a directory, and who may write to it, by its access list.
//!
//! Every user may make folders in `%ProgramData%`, and whoever made `v6tun` there before the program did would own
//! it, whatever list it has. So the program's own folder there is made and looked at in the same way as those in it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::windows::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf, absolute},
};

use v6tun_files::windows_security::{
    ADMINISTRATORS, AccessList, FOLDER_OF_ADMINISTRATORS, FOLDER_OF_OWNER, OWNER, SYSTEM, WRITING,
    access_list_of, create_folder, is_administrator, name_of, own_owner, own_user,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, READ_CONTROL,
};

use crate::{paths, privilege::RUN_ELEVATED};

/// Makes sure of a directory for state: if it is made here, SYSTEM and Administrators alone have access, and the
/// user who makes it if that is none of them. Those above it are made as Windows makes any, but for the program's
/// own folder in `%ProgramData%`.
///
/// # Errors
///
/// [`DirectoryError`] when what is there belongs to somebody else, can be written by others or is no directory.
pub fn ensure_private_dir(path: &Path) -> Result<(), DirectoryError> {
    let full = absolute(path).map_err(|source| DirectoryError::Io { path: path.to_owned(), source })?;
    ensure_below(&paths::config_dir(), &full)
}

/// Makes sure of a directory for locks, in the same way.
///
/// # Errors
///
/// As [`ensure_private_dir`].
pub fn ensure_runtime_dir(path: &Path) -> Result<(), DirectoryError> {
    ensure_private_dir(path)
}

/// Each folder from the program's own one on, if the path leads into that.
fn ensure_below(own_folder: &Path, path: &Path) -> Result<(), DirectoryError> {
    let own_len = own_folder.components().count();
    let steps: Vec<&Path> = path.ancestors().filter(|step| step.components().count() >= own_len).collect();
    match steps.last() {
        Some(first) if is_same(first, own_folder) => steps.iter().rev().try_for_each(|step| ensure(step)),
        _ => ensure(path),
    }
}

/// Windows does not tell names apart by their case.
fn is_same(one: &Path, other: &Path) -> bool {
    one.to_string_lossy().to_lowercase() == other.to_string_lossy().to_lowercase()
}

fn ensure(path: &Path) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::Io { path: path.to_owned(), source };
    let folder = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(path).map_err(failed)?;
            open(path).map_err(failed)?
        }
        outcome => outcome.map_err(failed)?,
    };
    check(path, &folder)
}

/// The thing itself, where it is a link to another.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(READ_CONTROL | FILE_READ_ATTRIBUTES)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}

fn create(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let list = if is_administrator()? { FOLDER_OF_ADMINISTRATORS } else { FOLDER_OF_OWNER };
    match create_folder(path, list) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

/// Looks at the opened folder, so that nobody can exchange it meanwhile.
fn check(path: &Path, folder: &File) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::Io { path: path.to_owned(), source };
    let found = folder.metadata().map_err(failed)?;
    let is_link = found.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0;
    if is_link || !found.is_dir() {
        return Err(DirectoryError::NotADirectory { path: path.to_owned() });
    }
    let list = access_list_of(folder).map_err(failed)?;
    let own = [own_owner().map_err(failed)?, own_user().map_err(failed)?];
    judge(path, &list, &own)
}

/// Whether it is of SYSTEM, of Administrators or of `own` accounts, and nobody else may write to it. To an elevated
/// administrator what is his own is good enough; the service is SYSTEM, and takes nothing of a user's.
fn judge(path: &Path, list: &AccessList, own: &[String; 2]) -> Result<(), DirectoryError> {
    let path = path.to_owned();
    let trusted = [SYSTEM, ADMINISTRATORS, &own[0], &own[1], OWNER];
    if !trusted[..4].contains(&list.owner()) {
        return Err(DirectoryError::WrongOwner { path, owner: name_of(list.owner()).to_owned() });
    }
    match list.first_other_with(WRITING, &trusted) {
        Some(other) => Err(DirectoryError::OpenToOthers { path, other: name_of(other).to_owned() }),
        None => Ok(()),
    }
}

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It belongs to another user.
    #[error("cannot use {}: it belongs to {owner}, who could put anything there", path.display())]
    WrongOwner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// Others may put files in.
    #[error("cannot use {}: others may write to it ({other})", path.display())]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// One of them.
        other: String,
    },
    /// A file or a link is in its place.
    #[error("cannot use {}: it is not a directory", path.display())]
    NotADirectory {
        /// What should be a directory.
        path: PathBuf,
    },
    /// It cannot be made or looked at.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What Windows said.
        source: io::Error,
    },
}

impl DirectoryError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::WrongOwner { path, .. } => Some(format!(
                "see what is in it and move it away; or `icacls \"{}\" /setowner *S-1-5-32-544 /T`, as administrator",
                path.display()
            )),
            // The accounts by their numbers: their names are translated.
            Self::OpenToOthers { path, .. } => Some(format!(
                "as administrator `icacls \"{path}\" /reset`, then `icacls \"{path}\" /inheritance:r /grant:r \
                 *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F`",
                path = path.display()
            )),
            Self::NotADirectory { path } => {
                Some(format!("`dir /a \"{}*\"` in cmd shows it; name the directory itself", path.display()))
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(RUN_ELEVATED.to_owned())
            }
            Self::Io { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
