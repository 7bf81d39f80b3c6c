//! Where the client keeps what it needs on the file system.

use std::path::PathBuf;

use anyhow::Result;
use v6tun_cli::Failure;
use v6tun_host::directory;

use crate::{
    args::{DEFAULT_CONFIG, GlobalArgs},
    hinted::OrFail,
};

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
            journal: global.state_dir.join("client-journal.jsonl"),
            lock: global.runtime_dir.join("client.lock"),
            control_socket: global.runtime_dir.join("client.sock"),
        }
    }

    /// Makes both folders where they are missing, and refuses any that others could write to.
    pub(crate) fn ensure(global: &GlobalArgs) -> Result<Self> {
        directory::ensure_private_dir(&global.state_dir).or_failed()?;
        directory::ensure_runtime_dir(&global.runtime_dir).or_failed()?;
        Ok(Self::named(global))
    }
}

/// The configuration's path. The file must be there, whether it was named or not.
pub(crate) fn config_path(global: &GlobalArgs) -> Result<PathBuf> {
    let path = global.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG));
    // Where even that may not be known, reading it will say why.
    if path.try_exists().unwrap_or(true) {
        return Ok(path);
    }
    let hint = match global.config {
        Some(_) => "check the path after --config".to_owned(),
        None => format!(
            "`v6tun genkey` makes a key; write {DEFAULT_CONFIG} as the README shows, or name another with --config FILE"
        ),
    };
    Err(Failure::usage(format!("cannot read {}: there is no such file", path.display()))
        .with_hint(hint)
        .into())
}
