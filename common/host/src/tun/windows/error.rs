//! Why Windows makes no adapter.

use std::{io, path::PathBuf};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_INITIALIZED, ERROR_GEN_FAILURE, STATUS_OBJECT_NAME_COLLISION,
};

/// Where `wintun.dll` comes from.
const LIBRARY_HINT: &str =
    "put wintun.dll of v6tun's package beside v6tun-client.exe; it is made for one kind of processor each";

/// Why there is no adapter.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The driver's library is not beside the program.
    #[error("cannot make the adapter: {} is missing", path.display())]
    LibraryMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It is for another processor, or no library at all.
    #[error("cannot make the adapter: {} is made for another kind of processor", path.display())]
    LibraryOfAnotherKind {
        /// Where it is.
        path: PathBuf,
    },
    /// It lacks wintun's functions.
    #[error("cannot make the adapter: {} is not wintun, or too old a one", path.display())]
    LibraryOfAnotherMaker {
        /// Where it is.
        path: PathBuf,
    },
    /// Windows does not load it.
    #[error("cannot make the adapter: {} cannot be loaded: {why}", path.display())]
    LibraryUnusable {
        /// Where it is.
        path: PathBuf,
        /// What Windows said.
        why: String,
    },
    /// The process may not make adapters.
    #[error("cannot make the adapter {name}: this needs an administrator")]
    Permission {
        /// The name as it was given.
        name: String,
    },
    /// A program has a session on the adapter of this name.
    #[error("cannot make the adapter {name}: another program uses an adapter of that name")]
    Busy {
        /// The name as it was given.
        name: String,
    },
    /// An adapter that was left by a killed program is in the way, and a second attempt has not cleared it.
    #[error("cannot make the adapter {name}: one that was left of that name is in the way: {source}")]
    Orphan {
        /// The name as it was given.
        name: String,
        /// What the driver said.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot make the adapter {name}: {source}")]
    Io {
        /// The name as it was given.
        name: String,
        /// What Windows said.
        source: io::Error,
    },
}

impl DeviceError {
    pub(super) fn adapter(name: &str, source: io::Error) -> Self {
        let name = name.to_owned();
        match source.raw_os_error().map(i32::cast_unsigned) {
            Some(ERROR_ACCESS_DENIED) => Self::Permission { name },
            Some(code) if code == STATUS_OBJECT_NAME_COLLISION.cast_unsigned() => {
                Self::Orphan { name, source }
            }
            Some(ERROR_GEN_FAILURE) => Self::Orphan { name, source },
            _ => Self::Io { name, source },
        }
    }

    pub(super) fn session(name: &str, source: io::Error) -> Self {
        match source.raw_os_error().map(i32::cast_unsigned) {
            Some(ERROR_ALREADY_INITIALIZED) => Self::Busy { name: name.to_owned() },
            _ => Self::adapter(name, source),
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::LibraryMissing { .. }
            | Self::LibraryOfAnotherKind { .. }
            | Self::LibraryOfAnotherMaker { .. }
            | Self::LibraryUnusable { .. } => Some(LIBRARY_HINT.to_owned()),
            Self::Permission { .. } => Some("run it as administrator".to_owned()),
            Self::Busy { .. } => Some("choose another name: interface = \"…\"".to_owned()),
            Self::Orphan { .. } => Some(
                "remove it in the Device Manager (View, Show hidden devices, Network adapters), or restart Windows"
                    .to_owned(),
            ),
            Self::Io { .. } => None,
        }
    }
}
