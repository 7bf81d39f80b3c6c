//! What can be wrong with a configuration file.

use crate::RUN_ELEVATED;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What is wrong with a configuration file. Displays on one line, without the file's text.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("cannot read {}: there is no such file", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What the reader of the TOML expected.
        message: String,
    },
    /// A key that nothing reads.
    #[error("{}:{line}: unknown key `{key}`{}", path.display(), did_you_mean(nearest.as_deref()))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The key as it stands there.
        key: String,
        /// The known key that it resembles.
        nearest: Option<String>,
        /// The keys that are known in that place.
        known: Vec<String>,
    },
    /// A value that is missing, of a wrong type, or makes no sense.
    #[error("{}{}: {message}", path.display(), Line(*line))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Counted from 1; `None` for the file as a whole.
        line: Option<usize>,
        /// The key, and what is wrong with it.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl ConfigError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some("write it, or name another with --config FILE".to_owned()),
            Self::UnknownKey { known, .. } if !known.is_empty() => {
                Some(format!("the keys known here are `{}`", known.join("`, `")))
            }
            Self::Invalid { hint, .. } => hint.clone(),
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(RUN_ELEVATED.to_owned())
            }
            Self::Unreadable { .. } | Self::Syntax { .. } | Self::UnknownKey { .. } => None,
        }
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

/// `:3` behind a file's name.
struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}
