//! A Windows machine: a Wine prefix of its own, with its own registry, services and disk.
//!
//! Made by the scripts in `tests/windows`; [`WindowsMachine::run`] is a console of its administrator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

/// What a program may take, in seconds.
const LIMIT: &str = "120";
/// How often a program is started that Wine has not started.
const ATTEMPTS: usize = 3;
/// What Wine says then.
const NOT_STARTED: &str = "Application could not be started";
/// What Windows 10 says in its registry and Wine does not.
const VERSION_KEY: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion";

/// The machine; its programs end and its disk goes when this is dropped.
#[derive(Debug)]
pub struct WindowsMachine {
    dir: TempDir,
}

impl WindowsMachine {
    /// One with Windows 10.
    ///
    /// # Errors
    /// There is no Wine, or no prefix to copy: with what it said.
    pub fn boot() -> Result<Self> {
        let machine = Self::boot_older()?;
        let value = ["/v", "CurrentMajorVersionNumber", "/t", "REG_DWORD", "/d", "10", "/f"];
        machine.output(&[&["reg", "add", VERSION_KEY][..], &value].concat())?;
        Ok(machine)
    }

    /// One that does not say of which version it is, as those before Windows 10.
    ///
    /// # Errors
    /// There is no Wine, or no prefix to copy: with what it said.
    pub fn boot_older() -> Result<Self> {
        let machine = Self { dir: tempfile::tempdir().context("a folder for Wine")? };
        // Now and then one of Wine's own programs fails on a busy machine, and the next attempt starts it.
        let start = || machine.output(&["cmd", "/c", "exit"]);
        start().or_else(|_| start()).or_else(|_| start())?;
        Ok(machine)
    }

    /// Runs a command to its end, whatever that is.
    ///
    /// # Errors
    /// It could not be started, or did not end.
    pub fn run(&self, command: &[&str]) -> Result<Output> {
        let arguments = [&[LIMIT, "tests/windows/run-under-wine"], command].concat();
        let run = || self.script(r#"exec timeout "$@""#, &arguments);
        let mut output = run()?;
        // Now and then, on a busy machine, Wine says that it has not started the program.
        for _ in 1..ATTEMPTS {
            if !String::from_utf8_lossy(&output.stderr).contains(NOT_STARTED) {
                break;
            }
            output = run()?;
        }
        ensure!(output.status.code() != Some(124), "{command:?} has not ended after {LIMIT} seconds");
        Ok(output)
    }

    /// Runs a command that must succeed, and returns its standard output.
    ///
    /// # Errors
    /// It could not be started, or failed: with what it said.
    pub fn output(&self, command: &[&str]) -> Result<String> {
        let output = self.run(command)?;
        let (said, complaints) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{command:?}: {}: {said}{complaints}", output.status);
        Ok(said.into_owned())
    }

    /// A path of its drive C, as this machine reaches it.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.prefix().join("drive_c").join(inside)
    }

    /// A path of this machine, as that one reaches it.
    #[must_use]
    pub fn outside(path: &Path) -> String {
        format!("Z:{}", path.display()).replace('/', r"\")
    }

    /// Turns it off, and returns the registry of the machine (not of its users) as a text.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub fn turn_off(&self) -> Result<String> {
        self.stop()?;
        fs::read_to_string(self.prefix().join("system.reg")).context("the registry")
    }

    fn prefix(&self) -> PathBuf {
        self.dir.path().join("prefix")
    }

    fn stop(&self) -> Result<()> {
        // It fails where nothing runs.
        self.script(r#""$V6TUN_WINESERVER" -k; "$V6TUN_WINESERVER" -w"#, &[]).map(drop)
    }

    fn script(&self, script: &str, arguments: &[&str]) -> Result<Output> {
        Command::new("bash")
            .args(["-c", &format!(". tests/windows/env\n{script}"), "bash"])
            .args(arguments)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .env("WINEPREFIX", self.prefix())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("bash: {script}"))
    }
}

impl Drop for WindowsMachine {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("Wine goes on in {}: {error:#}", self.dir.path().display());
        }
    }
}
