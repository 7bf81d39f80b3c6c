//! Who owns a directory, and who may write to it, by its mode bits.

use std::{
    fs::{self, DirBuilder, Metadata},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

/// Permission bits by which somebody else could put files in.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Makes sure of a directory for state (mode 0700 if it is made here, parents 0755).
///
/// # Errors
///
/// [`DirectoryError`] when what is there belongs to somebody else, can be written by others or is no directory.
pub fn ensure_private_dir(path: &Path) -> Result<(), DirectoryError> {
    ensure(path, 0o700)
}

/// Makes sure of a directory for sockets and locks (mode 0755 if it is made here, so that others see that the
/// program runs; the files in it are closed to them).
///
/// # Errors
///
/// As [`ensure_private_dir`].
pub fn ensure_runtime_dir(path: &Path) -> Result<(), DirectoryError> {
    ensure(path, 0o755)
}

fn ensure(path: &Path, mode: u32) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::Io { path: path.to_owned(), source };
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(path, mode).map_err(failed)?;
            fs::symlink_metadata(path).map_err(failed)?
        }
        outcome => outcome.map_err(failed)?,
    };
    check(path, &found)
}

fn create(path: &Path, mode: u32) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

fn check(path: &Path, found: &Metadata) -> Result<(), DirectoryError> {
    let path = path.to_owned();
    let us = rustix::process::geteuid().as_raw();
    if !found.is_dir() {
        return Err(DirectoryError::NotADirectory { path });
    }
    if found.uid() != us {
        return Err(DirectoryError::WrongOwner { path, owner: found.uid(), us });
    }
    let mode = found.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(DirectoryError::WorldWritable { path, mode });
    }
    Ok(())
}

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It belongs to another user.
    #[error("cannot use {}: it belongs to user {owner}, and this runs as user {us}", path.display())]
    WrongOwner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// Its group or everybody may put files in.
    #[error("cannot use {}: others may write to it (mode {mode:04o})", path.display())]
    WorldWritable {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file or a symbolic link is in its place.
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
        /// What the kernel said.
        source: io::Error,
    },
}

impl DirectoryError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::WrongOwner { owner: 0, .. } => Some("run it as root, with sudo".to_owned()),
            Self::WrongOwner { path, us, .. } => {
                Some(format!("`chown {us} {}`, or name another directory", path.display()))
            }
            Self::WorldWritable { path, .. } => Some(format!("`chmod go-w {}`", path.display())),
            Self::NotADirectory { path } => {
                Some(format!("`ls -ld {}` shows it; name the directory itself", path.display()))
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run it as root, with sudo".to_owned())
            }
            Self::Io { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_missing_directory_is_made_with_its_parents_and_accepted_again() {
        let dir = tempfile::tempdir().unwrap();
        let (state, runtime) = (dir.path().join("var/lib/v6tun"), dir.path().join("run/v6tun"));
        for _ in 0..2 {
            ensure_private_dir(&state).unwrap();
            ensure_runtime_dir(&runtime).unwrap();
        }
        assert_eq!(mode_of(&state), 0o700);
        assert_eq!(mode_of(&runtime) & WRITABLE_BY_OTHERS, 0);
    }

    #[test]
    fn one_that_others_may_write_to_is_refused_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o777, 0o1777, 0o770] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = ensure_private_dir(dir.path()).unwrap_err();
            assert!(matches!(error, DirectoryError::WorldWritable { .. }), "{mode:o}");
            assert!(error.hint().unwrap().starts_with("`chmod go-w "));
        }
    }

    #[test]
    fn a_file_or_a_link_in_its_place_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        for path in [&file, &link] {
            assert!(matches!(ensure_private_dir(path), Err(DirectoryError::NotADirectory { .. })));
        }
    }

    #[test]
    fn one_of_another_user_is_refused() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: giving a directory away needs root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(dir.path(), Some(65534), None).unwrap();
        let error = ensure_private_dir(dir.path()).unwrap_err();
        assert!(matches!(error, DirectoryError::WrongOwner { owner: 65534, .. }), "{error}");
    }
}
