//! `wg-quick`: what most people hand a configuration file to.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};

use super::NEXT_NUMBER;
use crate::lab::{Lab, Namespace};

/// A tunnel that `wg-quick` has brought up; taken down when dropped.
#[derive(Debug)]
pub struct WgQuick {
    host: Namespace,
    file: PathBuf,
    device: String,
}

impl WgQuick {
    /// Brings a configuration up on `host`, as it is. Where the kernel has no WireGuard, `wg-quick` takes
    /// `wireguard-go`.
    ///
    /// # Errors
    /// What `wg-quick` said when it failed.
    pub fn up(lab: &Lab, host: &Namespace, configuration: &str) -> Result<Self> {
        let device = format!("wgq{}-{}", std::process::id(), NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        ensure!(device.len() < 16, "{device} is too long for an interface");
        // The file's name is the interface's.
        let file = lab.dir().join(format!("{device}.conf"));
        let mut options = OpenOptions::new();
        let mut open =
            options.write(true).create_new(true).mode(0o600).open(&file).context("a file for wg-quick")?;
        open.write_all(configuration.as_bytes()).context("a file for wg-quick")?;
        let tunnel = Self { host: host.clone(), file, device };
        host.output(&tunnel.command("up"))?;
        Ok(tunnel)
    }

    /// The device's name.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    fn command(&self, what: &str) -> String {
        format!("wg-quick {what} {}", self.file.display())
    }
}

impl Drop for WgQuick {
    fn drop(&mut self) {
        if let Err(error) = self.host.output(&self.command("down")) {
            eprintln!("{}: not taken down: {error:#}", self.device);
        }
    }
}
