//! Stock WireGuard peers: `wireguard-go`, configured by `wg` as its manual says.

use std::fs;
use std::io::Write as _;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::lab::{Namespace, Process, wait_until};

/// Where `wireguard-go` puts its configuration sockets: all network namespaces share it, so device names
/// are unique on the machine.
const SOCKETS: &str = "/var/run/wireguard";
/// Inner MTU: `wg-quick` takes the same on Ethernet.
const MTU: u16 = 1420;
static NEXT_NUMBER: AtomicU32 = AtomicU32::new(0);

/// A running `wireguard-go` and its device.
#[derive(Debug)]
pub struct WireGuardGo {
    process: Process,
    device: String,
    host: Namespace,
}

impl WireGuardGo {
    /// Makes a device on `host`, configures it by `wg setconf` and brings it up with `addresses`.
    ///
    /// # Errors
    /// `wireguard-go` or `wg` are missing or refuse.
    pub fn start(host: &Namespace, configuration: &str, addresses: &[Ipv6Addr]) -> Result<Self> {
        let device = format!("wg{}-{}", std::process::id(), NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        let process = host.spawn("wireguard-go", &format!("wireguard-go -f {device}"))?;
        let peer = Self { process, device, host: host.clone() };
        wait_until("the socket of wireguard-go", Duration::from_secs(10), || Ok(peer.socket().exists()))?;
        peer.configure(configuration)?;
        let device = &peer.device;
        let mut batch = format!("link set dev {device} mtu {MTU} up\n");
        for address in addresses {
            batch += &format!("address add {address}/128 dev {device} nodad\n");
        }
        host.ip(&batch)?;
        Ok(peer)
    }

    /// The device's name.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// When the last handshake with its only peer was, in seconds since 1970; 0: never.
    ///
    /// # Errors
    /// `wg` failed.
    pub fn latest_handshake(&self) -> Result<u64> {
        let answer = self.host.output(&format!("wg show {} latest-handshakes", self.device))?;
        let seconds = answer.split_whitespace().nth(1).context("wg shows no peer")?;
        seconds.parse().with_context(|| answer.clone())
    }

    fn configure(&self, configuration: &str) -> Result<()> {
        let mut file = tempfile::NamedTempFile::new().context("a configuration file")?;
        file.write_all(configuration.as_bytes()).context("a configuration file")?;
        self.host.output(&format!("wg setconf {} {}", self.device, file.path().display())).map(drop)
    }

    fn socket(&self) -> PathBuf {
        PathBuf::from(SOCKETS).join(format!("{}.sock", self.device))
    }
}

impl Drop for WireGuardGo {
    fn drop(&mut self) {
        // It removes its socket itself if it is asked to stop; both may have happened already.
        let _ = self.process.stop();
        let _ = fs::remove_file(self.socket());
    }
}
