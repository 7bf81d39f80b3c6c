//! One machine of the lab: a network namespace, and the programs run in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns};

use super::ownership::product_files;
use super::process::Process;

/// The longest that a command given to [`Namespace::run`] may take, in seconds.
const COMMAND_LIMIT: &str = "120";

/// A network namespace. Command lines are split at white space; nothing in the lab has a blank in it.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
    role: String,
    dir: PathBuf,
}

/// How a command ended and what it said.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code; `None` if a signal ended the command.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Whether the exit code was 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl Namespace {
    pub(super) fn new(name: String, role: &str, dir: &Path) -> Self {
        Self { name, role: role.to_owned(), dir: dir.to_owned() }
    }

    /// The name that `ip netns` knows.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder of the lab that it belongs to.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The name in the drawing: `pc`, `vps`, …
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The folder that is `/etc/v6tun` to the programs that run in it.
    #[must_use]
    pub fn etc_v6tun(&self) -> PathBuf {
        product_files(&self.name)
    }

    /// Runs a command to its end, whatever that is.
    ///
    /// # Errors
    /// The command could not be started.
    pub fn run(&self, command_line: &str) -> Result<Finished> {
        let output = self
            .command("timeout")
            .args(["--kill-after=1", COMMAND_LIMIT])
            .args(command_line.split_whitespace())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{}$ {command_line}", self.role))?;
        Ok(output.into())
    }

    /// Runs a command that must succeed, and returns its standard output.
    ///
    /// # Errors
    /// The command could not be started, or failed: with what it said.
    pub fn output(&self, command_line: &str) -> Result<String> {
        let finished = self.run(command_line)?;
        ensure!(
            finished.success(),
            "{}$ {command_line}: exit code {:?}\n{}{}",
            self.role,
            finished.code,
            finished.stdout,
            finished.stderr
        );
        Ok(finished.stdout)
    }

    /// Starts a command that goes on; it is killed when the returned value is dropped. Its output goes to
    /// a file of the lab that `name` names.
    ///
    /// # Errors
    /// The command could not be started.
    pub fn spawn(&self, name: &str, command_line: &str) -> Result<Process> {
        let mut words = command_line.split_whitespace();
        let program = words.next().ok_or_else(|| anyhow!("an empty command line"))?;
        let mut command = self.command(program);
        command.args(words);
        Process::start(command, &self.dir, &format!("{}-{name}", self.role))
            .with_context(|| format!("{}$ {command_line}", self.role))
    }

    /// A command that will run in this namespace; `ip netns exec` becomes the program, so its process id is
    /// the program's.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).env("LC_ALL", "C");
        command
    }

    /// Runs a batch of `ip` commands, one a line; blank lines are passed over.
    ///
    /// # Errors
    /// The first command that failed.
    pub fn ip(&self, batch: &str) -> Result<()> {
        ip_batch(&["-n", &self.name], batch).with_context(|| format!("in {}", self.role))
    }

    /// Hands `rules` to nftables.
    ///
    /// # Errors
    /// There is no `nft`, or it refused them: what it says is on standard error.
    pub fn nft(&self, rules: &str) -> Result<()> {
        use std::io::Write as _;
        let mut nft = self
            .command("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .context("nft (package nftables)")?;
        nft.stdin.take().context("nft has no standard input")?.write_all(rules.as_bytes())?;
        ensure!(nft.wait()?.success(), "nft refused the rules of {}", self.role);
        Ok(())
    }

    /// Runs `act` on a thread of its own inside the namespace: sockets opened there belong to it, and
    /// `/proc/sys/net` shows its values.
    ///
    /// # Errors
    /// The namespace cannot be entered, `act` failed or panicked.
    pub fn enter<T: Send>(&self, act: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let path = Path::new("/run/netns").join(&self.name);
        let inside = || {
            let namespace = File::open(&path).with_context(|| path.display().to_string())?;
            setns(namespace, CloneFlags::CLONE_NEWNET).context("setns")?;
            act()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .map_err(|_| anyhow!("a thread in {} panicked", self.role))?
    }

    /// Sets sysctls, written with slashes: `net/ipv6/conf/all/forwarding`.
    ///
    /// # Errors
    /// A key that the kernel lacks, or a value that it refuses.
    pub fn set_sysctls(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.enter(|| {
            settings.iter().try_for_each(|(key, value)| {
                fs::write(Path::new("/proc/sys").join(key), value).with_context(|| format!("{key}={value}"))
            })
        })
    }

    /// Reads a sysctl, written with slashes.
    ///
    /// # Errors
    /// A key that the kernel lacks.
    pub fn sysctl(&self, key: &str) -> Result<String> {
        let path = Path::new("/proc/sys").join(key);
        self.enter(|| Ok(fs::read_to_string(&path).with_context(|| key.to_owned())?.trim().to_owned()))
    }
}

/// Runs `ip ARGUMENTS -batch -` with `batch` as its input.
pub(super) fn ip_batch(arguments: &[&str], batch: &str) -> Result<()> {
    use std::io::Write as _;
    let lines: Vec<&str> = batch.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut child = Command::new("ip")
        .args(arguments)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("ip (Debian package iproute2)")?;
    let mut input = child.stdin.take().context("ip has no standard input")?;
    input.write_all(lines.join("\n").as_bytes()).context("writing to ip")?;
    input.write_all(b"\n").context("writing to ip")?;
    drop(input);
    let output = child.wait_with_output().context("waiting for ip")?;
    ensure!(output.status.success(), "ip: {}", explain(&lines, &String::from_utf8_lossy(&output.stderr)));
    Ok(())
}

/// Puts the failed line's text beside `Command failed -:LINE`.
fn explain(lines: &[&str], stderr: &str) -> String {
    let number = stderr.rsplit(':').next().and_then(|number| number.trim().parse::<usize>().ok());
    let line = number.and_then(|number| lines.get(number.checked_sub(1)?)).copied().unwrap_or_default();
    format!("{} ({line})", stderr.trim())
}
