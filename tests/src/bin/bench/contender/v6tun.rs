//! v6tun, as its users run it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_keys::PrivateKey;
use v6tun_tests::lab::straight_line::{StraightLine, UPLINK, VPS};
use v6tun_tests::lab::{Namespace, Process};

use super::{Contender, End};

/// The address that is lent; its prefix is routed to the VPS.
const LEASE: &str = "2001:db8:7::2";
const PORT: u16 = 51820;
const READY_LIMIT: Duration = Duration::from_secs(15);

/// Both ends with their files.
pub(crate) struct V6tun<'l> {
    server: Program<'l>,
    client: Program<'l>,
}

struct Program<'l> {
    host: &'l Namespace,
    name: &'static str,
    path: String,
    dir: PathBuf,
}

struct Running<'p> {
    program: &'p Program<'p>,
    process: Process,
}

impl<'l> V6tun<'l> {
    /// Makes keys and configurations.
    ///
    /// # Errors
    /// The programs are not built, or a file cannot be written.
    pub(crate) fn install(line: &'l StraightLine) -> Result<Self> {
        let [of_server, of_client] = [PrivateKey::generate()?, PrivateKey::generate()?];
        let server_toml = format!(
            "private-key-file = \"private.key\"\nlisten-port = {PORT}\n\
             [pool]\naddresses = [\"{LEASE}\"]\nrouted = true\n\
             [uplink]\ninterface = \"{UPLINK}\"\n\
             [[client]]\nname = \"pc\"\npublic-key = \"{}\"\n",
            of_client.public_key()
        );
        let client_toml = format!(
            "private-key-file = \"private.key\"\n[server]\npublic-key = \"{}\"\nendpoint = \"{VPS}:{PORT}\"\n",
            of_server.public_key()
        );
        Ok(Self {
            server: Program::install(line, &line.vps, "v6tun-server", &of_server, &server_toml)?,
            client: Program::install(line, &line.pc, "v6tun-client", &of_client, &client_toml)?,
        })
    }
}

impl<'l> Program<'l> {
    fn install(
        line: &StraightLine,
        host: &'l Namespace,
        name: &'static str,
        key: &PrivateKey,
        toml: &str,
    ) -> Result<Self> {
        let dir = line.dir().join(name);
        for folder in [dir.clone(), dir.join("state"), dir.join("run")] {
            fs::DirBuilder::new().mode(0o700).create(&folder).context("a folder")?;
        }
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(dir.join("private.key"))?;
        file.write_all(key.to_base64().as_bytes()).context("a key file")?;
        fs::write(dir.join("config.toml"), toml).context("a configuration")?;
        Ok(Self { host, name, path: line.product(name)?, dir })
    }

    fn command_line(&self, command: &str) -> String {
        let (path, dir) = (&self.path, self.dir.display());
        format!("{path} {command} --config {dir}/config.toml --state-dir {dir}/state --runtime-dir {dir}/run")
    }

    fn start(&self) -> Result<Running<'_>> {
        let process = self.host.spawn(self.name, &self.command_line("up"))?;
        Ok(Running { program: self, process })
    }
}

impl Contender for V6tun<'_> {
    fn name(&self) -> &'static str {
        "v6tun"
    }

    fn start_vps(&self) -> Result<Box<dyn End + '_>> {
        let mut running = self.server.start()?;
        running.process.wait_for_line("v6tun-server: up", READY_LIMIT)?;
        Ok(Box::new(running))
    }

    fn start_pc(&self) -> Result<Box<dyn End + '_>> {
        Ok(Box::new(self.client.start()?))
    }
}

impl End for Running<'_> {
    fn process_id(&self) -> Option<u32> {
        Some(self.process.id())
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        let code = self.process.stop()?;
        ensure!(code == Some(0), "{} ended with {code:?}\n{}", self.program.name, self.process.stderr());
        Ok(())
    }
}
