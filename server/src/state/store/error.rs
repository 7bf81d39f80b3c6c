//! Why the state cannot be opened or saved.

use super::{Contradiction, DurableFileError, MAX_BYTES};
use std::path::PathBuf;
use v6tun_wire::Hinted;

/// Why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// Neither file can be used: nobody knows any more who has which address.
    #[error(
        "cannot use the state: {}: {first_damage}; {}: {copy_damage}",
        first.display(),
        copy.display()
    )]
    BothDamaged { first: PathBuf, first_damage: String, copy: PathBuf, copy_damage: String },
    /// It was written by a later program, which may know of more that must not be lost.
    #[error("cannot use the state {}: it is of version {version}, which this program does not know", path.display())]
    Newer { path: PathBuf, version: u32 },
    /// The disk refuses to be read, for a reason that may pass.
    #[error("cannot read the state: {0}")]
    Unreadable(#[source] DurableFileError),
    /// Nothing has changed.
    #[error("cannot save the state: {0}")]
    NotSaved(#[source] DurableFileError),
    /// What was saved last holds; after a crash before the next save it may be what was to be saved.
    #[error("cannot finish saving the state, so that it may show after a restart: {0}")]
    Uncertain(#[source] DurableFileError),
    /// Nobody could open it again.
    #[error("cannot save the state: {0}")]
    Contradiction(#[from] Contradiction),
    /// A number that the file's format has no room for.
    #[error("cannot save the state: {0}")]
    Unwritable(String),
    /// Nobody could open it again.
    #[error("cannot save the state: it is larger than {MAX_BYTES} bytes")]
    TooLarge,
}

impl Hinted for StateError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::BothDamaged { first, copy, .. } => Some(format!(
                "`v6tun-server restore FILE` puts a backup in place; or begin anew without the clients and \
                 invitations that it held: move {} and {} away",
                first.display(),
                copy.display()
            )),
            Self::Newer { .. } => {
                Some("upgrade v6tun-server to the version that wrote it, or a later one".to_owned())
            }
            Self::Unreadable(error) | Self::NotSaved(error) | Self::Uncertain(error) => error.hint(),
            Self::Contradiction(_) | Self::Unwritable(_) | Self::TooLarge => None,
        }
    }
}
