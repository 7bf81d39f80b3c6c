//! Files that hold one secret key each, as `v6tun genkey` and `v6tun genpsk` write it. Where `>` makes UTF-16 of
//! that, as in Windows PowerShell, it is read all the same.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use v6tun_files::text;
use zeroize::Zeroizing;

use crate::{KeyError, PresharedKey, PrivateKey, base64};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

/// Bytes that a key file may have: the key has 44, the rest leaves room for white space alone.
pub const MAX_KEY_FILE_LEN: usize = 4096;

/// Which secret a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A [`PrivateKey`].
    Private,
    /// A [`PresharedKey`].
    Preshared,
}

impl KeyKind {
    /// The subcommand of `v6tun` that makes such a key.
    fn command(self) -> &'static str {
        match self {
            Self::Private => "genkey",
            Self::Preshared => "genpsk",
        }
    }
}

/// Why a key file could not be read or written. Never contains any part of the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("cannot read key file {}: no such file", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        kind: KeyKind,
    },
    /// Somebody besides the owner may do something with the file.
    #[error("refusing key file {}: {opening}", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// What of its permissions lets whom at it.
        opening: String,
    },
    /// A folder, a device, a pipe or a socket.
    #[error("refusing key file {}: not a regular file", path.display())]
    NotARegularFile {
        /// The file.
        path: PathBuf,
    },
    /// The content is no key.
    #[error("key file {} holds no key", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        kind: KeyKind,
        /// What is wrong with the content.
        #[source]
        source: KeyError,
    },
    /// More than [`MAX_KEY_FILE_LEN`] bytes.
    #[error("refusing key file {}: larger than {MAX_KEY_FILE_LEN} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file to be written exists.
    #[error("refusing to write key file {}: it exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {operation} key file {}", path.display())]
    Io {
        /// `read` or `write`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl KeyFileError {
    /// What the user can do about it: a command wherever there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { path, kind } => Some(platform::making(kind.command(), path)),
            Self::Permissions { path, .. } => Some(platform::closing(path)),
            Self::Malformed { kind, .. } => {
                Some(format!("the file must hold one line, as `v6tun {}` prints it", kind.command()))
            }
            Self::Exists { .. } => {
                Some("a key is never overwritten: choose another path, or move the file away".to_owned())
            }
            Self::NotARegularFile { .. } | Self::TooLarge { .. } | Self::Io { .. } => None,
        }
    }
}

/// Reads a private key. Symbolic links are followed; the file that they lead to is the one checked.
///
/// # Errors
/// Each [`KeyFileError`] but `Exists`. On Windows, SYSTEM and Administrators may read it as well.
pub fn read_private_key(path: &Path) -> Result<PrivateKey, KeyFileError> {
    read_key(path, KeyKind::Private, PrivateKey::from_text)
}

/// Reads a preshared key, on the terms of [`read_private_key`].
///
/// # Errors
/// As [`read_private_key`].
pub fn read_preshared_key(path: &Path) -> Result<PresharedKey, KeyFileError> {
    read_key(path, KeyKind::Preshared, PresharedKey::from_text)
}

/// Writes `text` and a newline to a new file that its owner alone can read (and on Windows SYSTEM and
/// Administrators), and returns when it is on the disk. A file that exists is left alone; one that could not be completed is removed.
///
/// # Errors
/// [`KeyFileError::Exists`], [`KeyFileError::Io`].
pub fn write_new(path: &Path, text: &str) -> Result<(), KeyFileError> {
    let mut file = platform::create_private(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
        _ => io_error("write", path, source),
    })?;
    write_durably(&mut file, text, path).map_err(|source| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(path);
        io_error("write", path, source)
    })
}

fn write_durably(file: &mut File, text: &str, path: &Path) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    platform::sync_parent(path)
}

fn read_key<K>(
    path: &Path,
    kind: KeyKind,
    parse: impl FnOnce(&[u8]) -> Result<K, KeyError>,
) -> Result<K, KeyFileError> {
    let file = platform::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing { path: path.to_owned(), kind },
        _ => io_error("read", path, source),
    })?;
    check(&file, path)?;
    let content = read_bounded(file, path)?;
    let text = in_utf8(&content);
    parse(base64::trim_end(&text)).map_err(|source| KeyFileError::Malformed {
        path: path.to_owned(),
        kind,
        source,
    })
}

/// Looks at the opened file, so that nobody can exchange it between the look and the reading.
fn check(file: &File, path: &Path) -> Result<(), KeyFileError> {
    let metadata = file.metadata().map_err(|source| io_error("read", path, source))?;
    if !metadata.is_file() {
        return Err(KeyFileError::NotARegularFile { path: path.to_owned() });
    }
    match platform::opening_to_others(file, &metadata).map_err(|source| io_error("read", path, source))? {
        Some(opening) => Err(KeyFileError::Permissions { path: path.to_owned(), opening }),
        None => Ok(()),
    }
}

fn read_bounded(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    // One byte more tells a file that is too large from one that is just full. The buffer never
    // grows, so no copy of the secret is left behind.
    let limit = MAX_KEY_FILE_LEN + 1;
    let mut content = Zeroizing::new(vec![0; limit]);
    let mut file = file.take(limit as u64);
    let mut len = 0;
    loop {
        match file.read(&mut content[len..]) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(io_error("read", path, source)),
        }
    }
    if len == limit {
        return Err(KeyFileError::TooLarge { path: path.to_owned() });
    }
    content.truncate(len);
    Ok(content)
}

/// As a program of Windows may have written it.
fn in_utf8(content: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text::utf8(content).into_owned())
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> KeyFileError {
    KeyFileError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
