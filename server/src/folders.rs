//! Where the server keeps what it needs on the file system.

use crate::args::{DEFAULT_CONFIG, GlobalArgs};
use anyhow::Result;
use std::path::PathBuf;
use v6tun_cli::{Failure, hinted};
use v6tun_host::directory::{DirectoryError, ensure_private_dir, ensure_runtime_dir};

/// The paths below `--state-dir` and `--runtime-dir`.
#[derive(Debug)]
pub(crate) struct Folders {
    pub(crate) journal: PathBuf,
    pub(crate) lock: PathBuf,
    pub(crate) control_socket: PathBuf,
}

impl Folders {
    /// The paths alone: nothing is made or looked at.
    pub(crate) fn named(global: &GlobalArgs) -> Self {
        Self {
            journal: global.state_dir.join("server-journal.jsonl"),
            lock: global.runtime_dir.join("server.lock"),
            control_socket: global.runtime_dir.join("server.sock"),
        }
    }

    /// Makes both folders where they are missing, and refuses any that others could write to.
    pub(crate) fn ensure(global: &GlobalArgs) -> Result<Self> {
        ensure_private_dir(&global.state_dir).map_err(hinted(DirectoryError::hint))?;
        ensure_runtime_dir(&global.runtime_dir).map_err(hinted(DirectoryError::hint))?;
        Ok(Self::named(global))
    }
}

/// The configuration's path. The default one must exist, too: its absence is answered with how to write it.
pub(crate) fn config_path(global: &GlobalArgs) -> Result<PathBuf> {
    if let Some(named) = &global.config {
        return Ok(named.clone());
    }
    let default = PathBuf::from(DEFAULT_CONFIG);
    if !default.exists() {
        return Err(Failure::usage(format!("{DEFAULT_CONFIG}: there is no such file"))
            .with_hint("write it as the README shows, or name another with --config FILE")
            .into());
    }
    Ok(default)
}
