//! Faults at chosen file operations of a real program: strace(1) has the kernel refuse one, or kill the program as it
//! begins.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Namespace, Process, wait_until};

/// As [`Fault::last`]: all that follow. strace counts no further.
pub const FOR_EVER: u32 = 0xfffe;
/// How long strace may take to attach.
const ATTACH_LIMIT: Duration = Duration::from_secs(30);

/// What happens instead of the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The program is killed.
    Kill,
    /// The disk is full: `ENOSPC`.
    NoSpace,
    /// The disk is broken, or the device cannot do it: `EIO`.
    Broken,
    /// The kernel knows no such thing: `EINVAL`.
    Unknown,
    /// The program may not: `EPERM`.
    NotPermitted,
    /// There is no room in the kernel at the moment: `ENOBUFS`.
    NoBuffers,
    /// It is there already: `EEXIST`.
    Exists,
}

/// The operation at which it happens.
#[derive(Clone, Debug)]
pub struct Fault {
    /// A system call, or `all`: then the number is of whichever call comes to it first.
    pub operation: String,
    /// Which one of these, counted from 1 in each thread.
    pub number: u32,
    /// The last one of these that it happens to: the same number for one alone.
    pub last: u32,
    /// What happens.
    pub effect: Effect,
    /// Those on these files and folders alone are counted; empty: all.
    pub files: Vec<PathBuf>,
}

impl Fault {
    /// The words before the command line of a program that is to have this fault, which will be noted in `log`.
    #[must_use]
    pub fn before(&self, log: &Path) -> String {
        format!("{} --", self.strace(log))
    }

    /// Gives the fault to a program that runs, counting from now.
    ///
    /// # Errors
    /// strace cannot attach.
    pub fn arm(&self, host: &Namespace, program: &Process, log: &Path) -> Result<Process> {
        let tracer = host.spawn("strace", &format!("{} -p {}", self.strace(log), program.id()))?;
        wait_until("strace to attach", ATTACH_LIMIT, || Ok(tracer.stderr().contains("attached")))?;
        Ok(tracer)
    }

    /// Whether it has happened, by the log that it was to be noted in.
    ///
    /// # Errors
    /// There is no such log.
    pub fn has_happened(log: &Path) -> Result<bool> {
        let text = fs::read_to_string(log).with_context(|| log.display().to_string())?;
        Ok(text.contains("(INJECTED)") || text.contains("+++ killed by SIGKILL +++"))
    }

    fn strace(&self, log: &Path) -> String {
        let Self { operation, number, last, effect, files } = self;
        let effect = match effect {
            Effect::Kill => "signal=KILL",
            Effect::NoSpace => "error=ENOSPC",
            Effect::Broken => "error=EIO",
            Effect::Unknown => "error=EINVAL",
            Effect::NotPermitted => "error=EPERM",
            Effect::NoBuffers => "error=ENOBUFS",
            Effect::Exists => "error=EEXIST",
        };
        let files: String = files.iter().map(|file| format!(" -P {}", file.display())).collect();
        let log = log.display();
        format!(
            "strace -f -y -o {log} -e trace={operation} -e inject={operation}:{effect}:when={number}..{last}{files}"
        )
    }
}
