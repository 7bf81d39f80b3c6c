//! The real programs, installed on the lab's machines: keys by `v6tun`, a configuration file, folders of
//! their own, so that any number of them run on one file system.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::Ipv6Addr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use v6tun_keys::key_file::read_private_key;
use v6tun_keys::{PrivateKey, PublicKey};

mod bare;

use crate::lab::address::{VPS_IPV4, leasable};
use crate::lab::{Finished, Lab, Namespace, Process};
use crate::windows_pc::{WindowsPc, windows_path};

/// How long a program may take from its start to its ready line.
const READY_LIMIT: Duration = Duration::from_secs(15);
pub use bare::{FreshServer, invitation_in};

/// The port that the server listens on.
pub const PORT: u16 = 51820;

/// `v6tun-server` or `v6tun-client` on one machine, with its folder.
#[derive(Clone, Debug)]
pub struct Installation {
    program: String,
    path: String,
    host: Namespace,
    /// The Windows that it is a program of; `None`: it is one of Linux.
    windows: Option<Arc<WindowsPc>>,
    /// Words `NAME=VALUE` that its programs find in their environment.
    environment: String,
    dir: PathBuf,
    config: PathBuf,
    is_told_its_config: bool,
    key: PathBuf,
    public_key: Option<String>,
}

/// The server on the VPS, and a client on each of the two PCs.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// `v6tun-server` on the VPS.
    pub server: Installation,
    /// `v6tun-client` on the PC: gets the pool's first address.
    pub pc: Installation,
    /// `v6tun-client` on the laptop: gets the pool's second address.
    pub laptop: Installation,
}

impl Deployment {
    /// Installs all three, with the article's first two leasable addresses as the pool.
    ///
    /// # Errors
    /// The programs are not built, or a file cannot be written.
    pub fn install(lab: &Lab) -> Result<Self> {
        Self::install_with_pool(lab, &[leasable(0), leasable(1)])
    }

    /// Installs all three with a pool of two addresses.
    ///
    /// # Errors
    /// As [`Deployment::install`].
    pub fn install_with_pool(lab: &Lab, pool: &[Ipv6Addr]) -> Result<Self> {
        let server = Installation::new(lab, "v6tun-server", &lab.vps)?;
        let pc = Installation::new(lab, "v6tun-client", &lab.pc)?;
        let laptop = Installation::new(lab, "v6tun-client", &lab.laptop)?;
        server.write_config(&server_toml(pool, &[&pc, &laptop]))?;
        for client in [&pc, &laptop] {
            client.write_config(&client_toml(&server))?;
        }
        Ok(Self { server, pc, laptop })
    }
}

/// A server's configuration: each client is named after the machine that it runs on.
#[must_use]
pub fn server_toml(pool: &[Ipv6Addr], clients: &[&Installation]) -> String {
    let addresses: Vec<String> = pool.iter().map(|address| format!("\"{address}\"")).collect();
    let mut text = format!(
        "private-key-file = \"private.key\"\nlisten-port = {PORT}\n\n[pool]\naddresses = [{}]\n",
        addresses.join(", ")
    );
    for client in clients {
        let (name, key) = (client.host.role(), client.public_key());
        let _ = write!(text, "\n[[client]]\nname = \"{name}\"\npublic-key = \"{key}\"\n");
    }
    text
}

/// A client's configuration.
#[must_use]
pub fn client_toml(server: &Installation) -> String {
    format!(
        "private-key-file = \"private.key\"\n\n[server]\npublic-key = \"{}\"\nendpoint = \"{VPS_IPV4}:{PORT}\"\n",
        server.public_key()
    )
}

impl Installation {
    /// Makes a folder with a key for `program` on `host`; the configuration is still to be written.
    ///
    /// # Errors
    /// The programs are not built, or a file cannot be written.
    pub fn new(lab: &Lab, program: &str, host: &Namespace) -> Result<Self> {
        let mut installation = Self::without_files(lab, program, host)?;
        let public_key = make_key(&lab.product("v6tun")?, host, &installation.key)?;
        installation.public_key = Some(public_key);
        Ok(installation)
    }

    /// A folder for the state and one for the run, and nothing in them.
    fn without_files(lab: &Lab, program: &str, host: &Namespace) -> Result<Self> {
        let path = lab.product(program)?;
        let windows = if program == "v6tun-client" { lab.windows_on(host)? } else { None };
        let dir = (1..)
            .map(|number| lab.dir().join(format!("{}-{program}-{number}", host.role())))
            .find(|dir| !dir.exists())
            .context("a folder")?;
        for folder in [dir.clone(), dir.join("state"), dir.join("run")] {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&folder)
                .with_context(|| folder.display().to_string())?;
        }
        let (config, key) = (dir.join("config.toml"), dir.join("private.key"));
        Ok(Self {
            program: program.to_owned(),
            path,
            host: host.clone(),
            windows,
            environment: String::new(),
            dir,
            config,
            is_told_its_config: true,
            key,
            public_key: None,
        })
    }

    /// `v6tun-server` or `v6tun-client`.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The machine that it runs on.
    #[must_use]
    pub fn host(&self) -> &Namespace {
        &self.host
    }

    /// The folder of its key, its configuration and its state.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its configuration file, as seen from outside its host.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Its public key in base64.
    ///
    /// # Panics
    /// If it was installed bare: it makes its key itself, and [`Self::read_public_key`] tells it.
    #[must_use]
    pub fn public_key(&self) -> &str {
        self.public_key.as_deref().expect("a bare installation makes its own key")
    }

    /// Its private key, given or made by itself.
    ///
    /// # Errors
    /// There is none yet, or the file holds none.
    pub fn read_private_key(&self) -> Result<PrivateKey> {
        let read = match self.windows {
            // Who may read it stands in what Linux does not see.
            Some(_) => {
                PrivateKey::from_base64(fs::read_to_string(&self.key)?.trim()).map_err(anyhow::Error::from)
            }
            None => read_private_key(&self.key).map_err(anyhow::Error::from),
        };
        read.with_context(|| self.key.display().to_string())
    }

    /// Its public key, read from its key file.
    ///
    /// # Errors
    /// As [`Self::read_private_key`].
    pub fn read_public_key(&self) -> Result<PublicKey> {
        Ok(self.read_private_key()?.public_key())
    }

    /// Replaces its configuration.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_config(&self, toml: &str) -> Result<()> {
        fs::write(&self.config, toml).context("writing a configuration")
    }

    /// Starts `up` and waits for the ready line: the server listens, the client has its lease.
    ///
    /// # Errors
    /// It ended before, or took too long: with all that it said.
    pub fn up(&self) -> Result<Process> {
        let mut process = self.start_up()?;
        process.wait_for_line(&format!("{}: up", self.program), READY_LIMIT)?;
        Ok(process)
    }

    /// Starts `up` and waits for nothing.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_up(&self) -> Result<Process> {
        self.start("up")
    }

    /// Runs `down`, which must succeed.
    ///
    /// # Errors
    /// What it said when it failed.
    pub fn down(&self) -> Result<()> {
        let finished = self.run("down")?;
        ensure!(finished.success(), "{} down: {finished:?}", self.program);
        Ok(())
    }

    /// `status --json`.
    ///
    /// # Errors
    /// It does not run, or its JSON is none.
    pub fn status(&self) -> Result<Value> {
        let finished = self.run("status --json")?;
        ensure!(finished.success(), "{} status: {finished:?}", self.program);
        serde_json::from_str(&finished.stdout).context("the JSON of status")
    }

    /// Runs a subcommand to its end, whatever that is.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn run(&self, subcommand: &str) -> Result<Finished> {
        self.host.run(&self.command_line(subcommand))
    }

    /// The whole command line of a subcommand.
    #[must_use]
    pub fn command_line(&self, subcommand: &str) -> String {
        let config = match self.is_told_its_config {
            true => format!("--config {} ", self.as_it_sees(&self.config)),
            false => String::new(),
        };
        let [state, run] = ["state", "run"].map(|folder| self.as_it_sees(&self.dir.join(folder)));
        let arguments = format!("{subcommand} {config}--state-dir {state} --runtime-dir {run}");
        match &self.windows {
            Some(windows) => windows.command_line(&self.environment, &self.program, &arguments),
            None if self.environment.is_empty() => format!("{} {arguments}", self.path),
            None => format!("env {} {} {arguments}", self.environment, self.path),
        }
    }

    /// A path as the program writes it.
    fn as_it_sees(&self, path: &Path) -> String {
        if self.windows.is_some() { windows_path(path) } else { path.display().to_string() }
    }

    /// The same installation, with words `NAME=VALUE` in its environment.
    #[must_use]
    pub fn with_environment(&self, words: impl Into<String>) -> Self {
        Self { environment: words.into(), ..self.clone() }
    }

    /// The Windows that it is a program of.
    #[must_use]
    pub fn windows(&self) -> Option<&WindowsPc> {
        self.windows.as_deref()
    }
}

/// Writes a new private key to `file`, and returns its public key.
fn make_key(v6tun: &str, host: &Namespace, file: &Path) -> Result<String> {
    let private = host.output(&format!("{v6tun} genkey"))?;
    let mut key_file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).context("a key file")?;
    key_file.write_all(private.as_bytes()).context("a key file")?;
    let mut pubkey = host
        .command(v6tun)
        .arg("pubkey")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("v6tun")?;
    pubkey.stdin.take().context("v6tun has no standard input")?.write_all(private.as_bytes())?;
    let output = pubkey.wait_with_output().context("v6tun pubkey")?;
    ensure!(output.status.success(), "v6tun pubkey failed");
    Ok(String::from_utf8(output.stdout).context("v6tun pubkey")?.trim().to_owned())
}
