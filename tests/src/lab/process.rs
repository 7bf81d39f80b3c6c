//! A program that goes on running in the lab.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::wait::wait_for;

/// How long a program may take to end after a signal.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running program; killed and waited for when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    stdout: PathBuf,
    stderr: PathBuf,
    stop_signal: Signal,
}

impl Process {
    pub(super) fn start(mut command: Command, dir: &Path, name: &str) -> Result<Self> {
        let (stdout, out) = new_log(dir, name, "out")?;
        let (stderr, err) = new_log(dir, name, "err")?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn()?;
        let stop_signal = Signal::TERM;
        Ok(Self { child, name: name.to_owned(), stdout, stderr, stop_signal })
    }

    /// The same program, which ends in order at another signal than SIGTERM.
    #[must_use]
    pub fn stopped_by(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Waits for a line of standard output that contains `text`, and returns the first one.
    ///
    /// # Errors
    /// The program ended before, or `limit` passed: with all that it said.
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) -> Result<String> {
        let what = format!("{} to say {text:?}", self.name);
        let found = wait_for(&what, limit, || {
            let ended = self.child.try_wait()?;
            let output = self.stdout();
            // Only whole lines: the last one may still be on its way.
            let whole = &output[..output.rfind('\n').map_or(0, |end| end + 1)];
            match whole.lines().find(|line| line.contains(text)) {
                Some(line) => Ok(Some(line.to_owned())),
                None if ended.is_some() => bail!("it ended before"),
                None => Ok(None),
            }
        });
        found.with_context(|| format!("{what}\n{}{}", self.stdout(), self.stderr()))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// The process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(id, signal).with_context(|| format!("{signal:?} to {}", self.name))
    }

    /// Waits for the end, and returns the exit code (`None`: ended by a signal).
    ///
    /// # Errors
    /// It still ran after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<i32>> {
        let what = format!("{} to end", self.name);
        wait_for(&what, limit, || Ok(self.child.try_wait()?.map(|status| status.code())))
    }

    /// Whether it has not ended.
    ///
    /// # Errors
    /// The kernel cannot tell.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Stops it by SIGTERM, a Windows program by Ctrl-C, and returns its exit code.
    ///
    /// # Errors
    /// It was gone already, or still ran after 10 s.
    pub fn stop(&mut self) -> Result<Option<i32>> {
        self.signal(self.stop_signal)?;
        self.wait(STOP_LIMIT)
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Errors
    /// It was gone already.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait(STOP_LIMIT).map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Failing means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A log file that no earlier program of the same name has.
fn new_log(dir: &Path, name: &str, stream: &str) -> Result<(PathBuf, File)> {
    for number in 1..1000 {
        let path = dir.join(format!("{name}.{number}.{stream}"));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    bail!("a thousand programs named {name} in one lab")
}

/// Every log of the lab in `dir` that has something in it, sorted by name.
pub(super) fn logs(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut logs: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "out" || extension == "err"));
    logs.retain(|path| path.metadata().is_ok_and(|metadata| metadata.len() > 0));
    logs.sort();
    logs
}

/// The last `count` lines of `text`.
pub(super) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
