//! Making a mistake, and unmaking it.

use std::any::Any;
use std::fs;
use std::net::{Ipv6Addr, UdpSocket};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use v6tun_tests::lab::{Finished, Lab};
use v6tun_tests::product::Installation;

use crate::tools::connection;

/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// What is done wrong before `up`.
pub(super) enum Arrangement {
    /// The configuration is rewritten.
    Config(Box<dyn Fn(&str) -> String>),
    /// `--config` names a file that is not there.
    MissingConfig,
    /// The key file is gone.
    MissingKey,
    /// The key file has this mode.
    KeyMode(u32),
    /// The key file holds this.
    KeyContent(&'static str),
    /// The folder named `state` or `run` has this mode.
    FolderMode(&'static str, u32),
    /// The folder named `state` or `run` belongs to nobody.
    FolderOwner(&'static str),
    /// A user without privileges types it.
    NoRoot,
    /// The machine has no `/dev/net/tun`.
    NoTun,
    /// A program of the host has this UDP port.
    PortTaken(u16),
    /// The site has a TCP connection to this port of this address of the host.
    Connection(Ipv6Addr, u16),
}

impl Arrangement {
    /// The configuration with one text replaced by another.
    pub(super) fn replace(from: &'static str, to: impl Into<String>) -> Self {
        let to = to.into();
        Self::Config(Box::new(move |config| config.replace(from, &to)))
    }

    /// The configuration with a line in front.
    pub(super) fn prepend(line: &'static str) -> Self {
        Self::Config(Box::new(move |config| format!("{line}\n{config}")))
    }
}

/// The mistake, made; unmade when dropped.
pub(super) struct Arranged<'a> {
    installation: &'a Installation,
    arrangement: &'a Arrangement,
    _held: Option<Box<dyn Any>>,
    config: String,
    key: String,
}

impl<'a> Arranged<'a> {
    pub(super) fn new(
        lab: &Lab,
        installation: &'a Installation,
        arrangement: &'a Arrangement,
    ) -> Result<Self> {
        let config = fs::read_to_string(installation.dir().join("config.toml"))?;
        let key = fs::read_to_string(installation.dir().join("private.key"))?;
        let mut arranged = Self { installation, arrangement, _held: None, config, key };
        arranged._held = arranged.make(lab)?;
        Ok(arranged)
    }

    fn make(&self, lab: &Lab) -> Result<Option<Box<dyn Any>>> {
        let dir = self.installation.dir();
        let key = dir.join("private.key");
        match self.arrangement {
            Arrangement::Config(change) => self.installation.write_config(&change(&self.config))?,
            Arrangement::MissingConfig => fs::remove_file(dir.join("config.toml"))?,
            Arrangement::MissingKey => fs::remove_file(key)?,
            Arrangement::KeyMode(mode) => set_mode(&key, *mode)?,
            Arrangement::KeyContent(content) => fs::write(key, content)?,
            Arrangement::FolderMode(folder, mode) => set_mode(&dir.join(folder), *mode)?,
            Arrangement::FolderOwner(folder) => chown(dir.join(folder), Some(NOBODY), None)?,
            Arrangement::PortTaken(port) => {
                return Ok(Some(Box::new(
                    self.installation
                        .host()
                        .enter(|| UdpSocket::bind(("::", *port)).context("take a port"))?,
                )));
            }
            Arrangement::Connection(address, port) => {
                let host = self.installation.host();
                return Ok(Some(Box::new(connection(&lab.site, host, *address, *port)?)));
            }
            Arrangement::NoRoot | Arrangement::NoTun => {}
        }
        Ok(None)
    }

    /// Runs `up` to its end.
    pub(super) fn up(&self) -> Result<Finished> {
        match self.arrangement {
            Arrangement::NoRoot => self.up_as_nobody(),
            Arrangement::NoTun => self.up_without_tun(),
            _ => self.installation.run("up"),
        }
    }

    /// In a mount namespace of its own whose `/dev/net` is empty.
    fn up_without_tun(&self) -> Result<Finished> {
        let script =
            format!("mount -t tmpfs tmpfs /dev/net && exec {}", self.installation.command_line("up"));
        self.finish("unshare", &["--mount", "sh", "-c", &script])
    }

    /// From a folder that nobody may enter, as the installation's is root's.
    fn up_as_nobody(&self) -> Result<Finished> {
        let folder = tempfile::tempdir().context("a folder for nobody")?;
        let program = self.copy_to(folder.path())?;
        let dir = folder.path().display();
        let command = format!(
            "{} up --config {dir}/config.toml --state-dir {dir}/state --runtime-dir {dir}/run",
            program.display()
        );
        let identity = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let arguments: Vec<&str> = identity.into_iter().chain(command.split_whitespace()).collect();
        self.finish("setpriv", &arguments)
    }

    fn copy_to(&self, folder: &Path) -> Result<PathBuf> {
        let program = folder.join(self.installation.program());
        let command = self.installation.command_line("up");
        fs::copy(command.split_whitespace().next().unwrap_or_default(), &program)?;
        fs::write(folder.join("config.toml"), &self.config)?;
        fs::write(folder.join("private.key"), &self.key)?;
        set_mode(&folder.join("private.key"), 0o600)?;
        for path in [folder, &folder.join("config.toml"), &folder.join("private.key")] {
            chown(path, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(program)
    }

    fn finish(&self, program: &str, arguments: &[&str]) -> Result<Finished> {
        let mut command = self.installation.host().command("timeout");
        let output = command.arg("20").arg(program).args(arguments).stdin(Stdio::null()).output()?;
        Ok(output.into())
    }

    fn unmake(&self) -> Result<()> {
        let dir = self.installation.dir();
        self.installation.write_config(&self.config)?;
        fs::write(dir.join("private.key"), &self.key)?;
        set_mode(&dir.join("private.key"), 0o600)?;
        for folder in ["state", "run"] {
            chown(dir.join(folder), Some(0), None)?;
            set_mode(&dir.join(folder), 0o700)?;
        }
        Ok(())
    }
}

impl Drop for Arranged<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.unmake() {
            eprintln!("a mistake stays: {error:#}");
        }
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(|| path.display().to_string())
}
