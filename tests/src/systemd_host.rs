//! A machine of the lab with systemd as its process 1.
//!
//! Its file system is this machine's, whose changes stay in memory; its process ids, its control groups and its
//! services are its own. Nothing starts there by itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::lab::{Finished, Lab, Namespace, Process, wait_for, wait_until};

/// How the machine is made.
const BOOT: &str = include_str!("systemd_host/boot");
/// Where systemd and dpkg keep what they know.
const ELSEWHERE: [&str; 5] = ["/var/lib/dpkg", "/var/lib/systemd", "/var/log", "/var/tmp", "/var/cache"];
/// How long a boot may take.
const BOOT_LIMIT: Duration = Duration::from_secs(30);

/// The machine; it stops when this is dropped.
#[derive(Debug)]
pub struct SystemdHost {
    process: Process,
    /// The process id of its systemd, as this machine counts.
    leader: u32,
    host: Namespace,
    /// Where its file system is put together.
    dir: PathBuf,
    /// The command line that booted it.
    boot: String,
}

impl SystemdHost {
    /// Boots it in the network of a machine of the lab.
    ///
    /// # Errors
    /// No systemd, or a kernel that lets nobody mount an overlay or control groups: with what it said.
    pub fn boot(lab: &Lab, host: &Namespace) -> Result<Self> {
        let dir = lab.dir().join("systemd");
        fs::create_dir(&dir).context("a folder for systemd")?;
        let script = dir.join("boot");
        fs::write(&script, BOOT).context("the script that boots systemd")?;
        let boot = format!("bash {} {} {}", script.display(), dir.display(), host.name());
        let mut process = host.spawn("systemd", &boot)?;
        let id = process.id();
        let children = PathBuf::from(format!("/proc/{id}/task/{id}/children"));
        let leader = wait_for("systemd to start", BOOT_LIMIT, || {
            ensure!(process.is_running()?, "it ended: {}", process.stderr());
            let children = fs::read_to_string(&children).unwrap_or_default();
            let leader = children.split_whitespace().next().and_then(|id| id.parse::<u32>().ok());
            let name = leader.and_then(|id| fs::read_to_string(format!("/proc/{id}/comm")).ok());
            Ok(leader.filter(|_| name.is_some_and(|name| name.trim_end() == "systemd")))
        })?;
        let machine = Self { process, leader, host: host.clone(), dir, boot };
        wait_until("systemd to have booted", BOOT_LIMIT, || {
            Ok(machine.run("systemctl is-system-running")?.stdout.trim() == "running")
        })?;
        Ok(machine)
    }

    /// A path of its file system, as this machine reaches it.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.leader))
    }

    /// Runs a command on it to its end, whatever that is.
    ///
    /// # Errors
    /// The command could not be started.
    pub fn run(&self, command_line: &str) -> Result<Finished> {
        self.host.run(&self.enter(command_line))
    }

    /// Runs a command on it that must succeed, and returns its standard output.
    ///
    /// # Errors
    /// The command could not be started, or failed: with what it said.
    pub fn output(&self, command_line: &str) -> Result<String> {
        self.host.output(&self.enter(command_line))
    }

    /// The process id of a service, as the machine counts; 0 while it does not run.
    ///
    /// # Errors
    /// systemd does not answer.
    pub fn main_process(&self, unit: &str) -> Result<u32> {
        let id = self.output(&format!("systemctl show --property=MainPID --value {unit}"))?;
        id.trim().parse().context(id)
    }

    /// The files that it has and this machine has not, or has otherwise; without what systemd, dpkg and the kernel
    /// keep of their own.
    ///
    /// # Errors
    /// `find` failed.
    pub fn files(&self) -> Result<BTreeSet<String>> {
        let find = format!("find {}/memory/upper -mindepth 1 -printf %y/%P\\n", self.dir.display());
        let found = self.host.output(&format!("nsenter --target {} --mount {find}", self.leader))?;
        // The kernel copies a folder that it puts a file into.
        let is_a_copy = |kind: &str, path: &str| kind == "d" && Path::new(path).is_dir();
        let entries = found.lines().filter_map(|line| Some(line.split_at(line.find('/')?)));
        let own = entries.filter(|(kind, path)| !is_a_copy(kind, path)).map(|(_, path)| path);
        let own = own.filter(|path| !ELSEWHERE.iter().any(|folder| Path::new(path).starts_with(folder)));
        Ok(own.map(str::to_owned).collect())
    }

    fn enter(&self, command_line: &str) -> String {
        format!("nsenter --target {} --mount --pid --uts --ipc --root --wd {command_line}", self.leader)
    }
}

impl Drop for SystemdHost {
    fn drop(&mut self) {
        let gone = self.process.kill().and_then(|()| {
            // Its processes end with it, but not at once, and the groups are theirs until then.
            wait_until("the control groups to be free", Duration::from_secs(10), || {
                let clean = format!("unshare --mount {} clean", self.boot);
                Ok(self.host.run(&clean)?.success())
            })
        });
        if let Err(error) = gone {
            eprintln!("systemd's control groups stay: {error:#}");
        }
    }
}
