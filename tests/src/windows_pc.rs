//! A PC of the lab with Windows: Wine, with doubles of what Wine lacks.
//!
//! Each such PC has a prefix, and a wineserver that runs in the machine's network namespace, as the sockets of all its
//! programs are the wineserver's. Beside it runs `windows-host`, which does on Linux what the doubles promise
//! (`tests/windows/doubles`): an adapter of wintun is a tun device of its name, an address or a route is one that `ip`
//! shows. What is to be tested lies in `C:\v6tun`, with the double of `wintun.dll` beside it.
//!
//! All of it lies in the lab's folder and runs in the lab's namespace, and goes with them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

mod prefix;

use crate::lab::program::{of_the_product_for_windows, of_the_relay};
use crate::lab::{Finished, Lab, Namespace, Process, wait_until};

const WINE: &str = "/usr/lib/wine/wine64";
const WINESERVER: &str = "/usr/lib/wine/wineserver64";
/// Where the programs under test lie, below the prefix.
const PROGRAMS: &str = "drive_c/v6tun";
/// How long the helpers of Wine may take to start or to end.
const HELPERS_LIMIT: Duration = Duration::from_secs(30);

/// How often Wine is started.
const ATTEMPTS: usize = 3;

/// `IMAGE_FILE_MACHINE_ARM64`, as it stands in the header of a DLL.
const ARM64: [u8; 2] = 0xAA64_u16.to_le_bytes();

/// What may stand beside the program in the place of wintun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WintunDll {
    /// Nothing.
    Missing,
    /// A wintun for another kind of processor.
    ForArm,
    /// A DLL that has none of its functions.
    Another,
    /// Something else.
    NoDll,
}

/// Windows on a machine of the lab; it stops when this is dropped.
#[derive(Debug)]
pub struct WindowsPc {
    machine: Namespace,
    prefix: PathBuf,
    /// Where `windows-host` takes orders.
    socket: PathBuf,
    // Dropped in this order.
    wineserver: Process,
    _host: Process,
}

/// Those that run in a lab, by the roles of their machines.
#[derive(Debug, Default)]
pub(crate) struct WindowsPcs(Mutex<BTreeMap<String, Arc<WindowsPc>>>);

impl WindowsPcs {
    /// The Windows on `machine`, started if it does not run yet.
    pub(crate) fn on(&self, lab: &Lab, machine: &Namespace) -> Result<Arc<WindowsPc>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = all.get(machine.role()) {
            return Ok(Arc::clone(running));
        }
        let pc = Arc::new(WindowsPc::boot(lab, machine)?);
        pc.install(&of_the_product_for_windows("v6tun-client")?)?;
        all.insert(machine.role().to_owned(), Arc::clone(&pc));
        Ok(pc)
    }
}

impl WindowsPc {
    /// Starts Windows on `machine`, with nothing but the double of `wintun.dll` in `C:\v6tun`.
    ///
    /// # Errors
    /// `tests/windows/setup` has not been run, or a part does not start.
    pub fn boot(lab: &Lab, machine: &Namespace) -> Result<Self> {
        let dir = lab.dir().join(format!("{}-windows", machine.role()));
        fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
        let (prefix, socket) = (dir.join("prefix"), dir.join("orders"));
        prefix::make(&prefix)?;
        prefix::furnish(&prefix, &prefix.join(PROGRAMS))?;
        let program = lab.helper("windows-host")?;
        let mut host = machine.spawn("windows-host", &format!("{program} --socket {}", socket.display()))?;
        host.wait_for_line("ready", HELPERS_LIMIT)?;
        let environment = environment(&prefix);
        let wineserver =
            machine.spawn("wineserver", &format!("{environment} {WINESERVER} --foreground --persistent"))?;
        let pc = Self {
            machine: machine.clone(),
            prefix,
            socket,
            wineserver: wineserver.stopped_by(Signal::INT),
            _host: host,
        };
        pc.start_helpers()?;
        Ok(pc)
    }

    /// Runs the first program, which starts Wine's own. Now and then one of those fails on a busy machine, and the
    /// next attempt starts it.
    fn start_helpers(&self) -> Result<()> {
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            // The helpers keep the output of the first program open: this one's is a file.
            let mut first = self.machine.spawn("wine", &self.wine("", "cmd /c exit"))?;
            let code = first.wait(HELPERS_LIMIT)?;
            if code == Some(0) {
                return Ok(());
            }
            said = format!("exit code {code:?}\n{}", first.stderr());
        }
        bail!("Wine does not start: {said}")
    }

    /// Puts a program into `C:\v6tun`.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn install(&self, program: &Path) -> Result<()> {
        let name = program.file_name().context("a program's name")?;
        fs::copy(program, self.programs().join(name)).with_context(|| program.display().to_string())?;
        Ok(())
    }

    /// Puts a program of `tests/windows/relay` into `C:\v6tun`.
    ///
    /// # Errors
    /// It is not built, or cannot be copied.
    pub fn install_helper(&self, name: &str) -> Result<()> {
        self.install(&of_the_relay(name)?)
    }

    /// The folder that is `C:\v6tun`.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.prefix.join(PROGRAMS)
    }

    /// Puts another file in the place of `wintun.dll`, or none.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn replace_wintun(&self, dll: WintunDll) -> Result<()> {
        let path = self.programs().join("wintun.dll");
        match dll {
            WintunDll::Missing => fs::remove_file(&path)?,
            WintunDll::ForArm => {
                let mut bytes = fs::read(&path)?;
                // Where the header is stands at 0x3c; the kind of processor follows its four letters.
                let header = usize::from(u16::from_le_bytes([bytes[0x3c], bytes[0x3d]]));
                bytes[header + 4..header + 6].copy_from_slice(&ARM64);
                fs::write(&path, bytes)?;
            }
            WintunDll::Another => {
                fs::copy(self.drive_c().join("windows/system32/iphlpapi.dll"), &path)?;
            }
            WintunDll::NoDll => fs::write(&path, "not a DLL")?,
        }
        Ok(())
    }

    /// The folder that is `C:\`.
    #[must_use]
    pub fn drive_c(&self) -> PathBuf {
        self.prefix.join("drive_c")
    }

    /// The command line, for [`Namespace::run`] and the like, of a program in `C:\v6tun`. `environment` is
    /// words `NAME=VALUE`.
    #[must_use]
    pub fn command_line(&self, environment: &str, program: &str, arguments: &str) -> String {
        self.wine(environment, &format!("{}/{program}.exe {arguments}", self.programs().display()))
    }

    /// The command line of a program that Windows has, or of one that is named by its path.
    #[must_use]
    pub fn wine(&self, environment: &str, arguments: &str) -> String {
        format!("{} {environment} {WINE} {arguments}", self::environment(&self.prefix))
    }

    /// Runs a program that Windows has to its end, whatever that is.
    ///
    /// # Errors
    /// It could not be started.
    pub fn run(&self, arguments: &str) -> Result<Finished> {
        self.machine.run(&self.wine("", arguments))
    }

    /// Closes the window of the console that a program runs in: Windows calls its handlers, and ends it when they have
    /// returned, or after five seconds.
    ///
    /// # Errors
    /// No such program runs.
    pub fn close_window(&self, program: &str) -> Result<()> {
        let close = self.prefix.join(prefix::CLOSE_WINDOW);
        let closed = self.run(&format!("{} {program}.exe", close.display()))?;
        ensure!(closed.success(), "the window of {program} cannot be closed: {closed:?}");
        Ok(())
    }

    /// Waits until no adapter has this name: until all that a program did through it is undone.
    ///
    /// # Errors
    /// It stays.
    pub fn wait_until_gone(&self, adapter: &str) -> Result<()> {
        wait_until(&format!("{adapter} to go"), HELPERS_LIMIT, || {
            Ok(!self.machine.run(&format!("ip link show dev {adapter}"))?.success())
        })
    }

    /// Has all of the PC's Windows programs that run now share one processor with their wineserver, which each packet
    /// asks several times: on two, every question wakes the other processor up, and what a measurement finds is how
    /// long that takes.
    ///
    /// # Errors
    /// `taskset` refuses.
    pub fn share_one_processor(&self) -> Result<()> {
        let inhabitants = self.machine.output(&format!("ip netns pids {}", self.machine.name()))?;
        let is_wine = |id: &&str| {
            let program = fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
            program.starts_with(Path::new(WINE).parent().unwrap_or(Path::new("/")))
        };
        for id in inhabitants.split_whitespace().filter(is_wine) {
            self.machine.output(&format!("taskset --all-tasks --cpu-list --pid 0 {id}"))?;
        }
        Ok(())
    }

    /// Gives an order to `windows-host`, whose source tells which there are, and returns its answer.
    ///
    /// # Errors
    /// It refused.
    pub fn order(&self, order: &str) -> Result<String> {
        let mut stream = UnixStream::connect(&self.socket).context("windows-host")?;
        writeln!(stream, "{order}").context("windows-host")?;
        stream.shutdown(Shutdown::Write).context("windows-host")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("windows-host")?;
        match answer.strip_prefix("ok\n") {
            Some(text) => Ok(text.to_owned()),
            None => bail!("windows-host: {order}: {}", answer.trim_end()),
        }
    }
}

impl Drop for WindowsPc {
    fn drop(&mut self) {
        // It ends all programs and helpers first. Failing means that it has ended already, or will be killed.
        let _ = self.wineserver.stop();
    }
}

/// A path of this machine as Windows programs write it.
#[must_use]
pub fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', r"\")
}

/// The words in front of a command that concerns a prefix. Where the wineserver listens follows from `TMPDIR`: so it,
/// too, goes with the lab's folder.
fn environment(prefix: &Path) -> String {
    let prefix = prefix.display();
    format!("env WINEPREFIX={prefix} TMPDIR={prefix} WINEDEBUG=-all")
}
