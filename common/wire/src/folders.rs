//! Where a program keeps what it needs on the file system.

use crate::{GlobalArgs, OrFail};
use anyhow::Result;
use std::path::PathBuf;
use v6tun_cli::{Failure, elevated};
use v6tun_host::directory::{ensure_private_dir, ensure_runtime_dir};
use v6tun_host::paths;

/// Which of the two programs this is, as its files and its messages name it.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// `server` or `client`, the stem of its files.
    pub name: &'static str,
    /// The program.
    pub program: &'static str,
    /// How it calls the machine that it runs on.
    pub host: &'static str,
}

impl Role {
    /// The server on the VPS.
    pub const SERVER: Self = Self { name: "server", program: "v6tun-server", host: "the host" };
    /// The client on the PC.
    pub const CLIENT: Self = Self { name: "client", program: "v6tun-client", host: "this PC" };

    /// A command of the program as it is typed to have the rights that it needs, in backquotes.
    #[must_use]
    pub fn command(self, arguments: &str) -> String {
        elevated(&format!("{} {arguments}", self.program))
    }

    /// A command of the program for the same configuration and folders as this run's, to be typed by root.
    #[must_use]
    pub fn same_command(self, global: &GlobalArgs, arguments: &str) -> String {
        let mut line = format!("{} {arguments}", self.program);
        let named = [
            ("--config", global.config.as_ref()),
            ("--state-dir", Some(&global.state_dir).filter(|dir| **dir != paths::state_dir())),
            ("--runtime-dir", Some(&global.runtime_dir).filter(|dir| **dir != paths::runtime_dir())),
        ];
        for (option, path) in named {
            line.extend(path.map(|path| format!(" {option} {}", path.display())));
        }
        line
    }

    /// The configuration's path, whether there is a file or not.
    #[must_use]
    pub fn config_file(self, global: &GlobalArgs) -> PathBuf {
        let default = || paths::config_dir().join(format!("{}.toml", self.name));
        global.config.clone().unwrap_or_else(default)
    }

    /// The configuration's path. The file must be there, whether it was named or not.
    ///
    /// # Errors
    /// A usage failure with how to write the file.
    pub fn config_path(self, global: &GlobalArgs) -> Result<PathBuf> {
        let path = self.config_file(global);
        // Where even that may not be known, reading it will say why.
        if path.try_exists().unwrap_or(true) {
            return Ok(path);
        }
        let hint = match global.config {
            Some(_) => "check the path after --config".to_owned(),
            None => format!("{} writes it; or name another with --config FILE", self.command("init")),
        };
        let what = format!("cannot read {}: there is no such file", path.display());
        Err(Failure::usage(what).with_hint(hint).into())
    }
}

/// The paths below `--state-dir` and `--runtime-dir`.
#[derive(Debug)]
pub struct Folders {
    /// Which program they are of.
    pub role: Role,
    /// The undo journal.
    pub journal: PathBuf,
    /// The lock on the state folder: whoever holds it owns the journal.
    pub state_lock: PathBuf,
    /// The lock on the runtime folder: whoever holds it owns the control socket.
    pub runtime_lock: PathBuf,
    /// Where it listens for `down` and `status`.
    pub control_socket: PathBuf,
}

impl Folders {
    /// The paths alone: nothing is made or looked at.
    #[must_use]
    pub fn named(role: Role, global: &GlobalArgs) -> Self {
        Self {
            role,
            journal: global.state_dir.join(format!("{}-journal.jsonl", role.name)),
            state_lock: global.state_dir.join(format!("{}.lock", role.name)),
            runtime_lock: global.runtime_dir.join(format!("{}.lock", role.name)),
            control_socket: global.runtime_dir.join(format!("{}.sock", role.name)),
        }
    }

    /// Refuses a folder that is there and is somebody else's, or that others could write to.
    pub(crate) fn refuse_foreign(&self) -> Result<()> {
        for path in [&self.journal, &self.runtime_lock] {
            if let Some(folder) = path.parent().filter(|folder| folder.exists()) {
                ensure_runtime_dir(folder).or_failed()?;
            }
        }
        Ok(())
    }

    /// Makes both folders where they are missing.
    ///
    /// # Errors
    /// For a folder that is somebody else's or that others could write to.
    pub fn ensure(role: Role, global: &GlobalArgs) -> Result<Self> {
        ensure_private_dir(&global.state_dir).or_failed()?;
        ensure_runtime_dir(&global.runtime_dir).or_failed()?;
        Ok(Self::named(role, global))
    }
}
