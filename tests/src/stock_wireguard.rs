//! Stock WireGuard peers: programs of others in user space, configured by `wg` as its manual says, and the
//! manual steps by which a VPS lends an address without v6tun.

use std::fs;
use std::io::Write as _;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::lab::{Namespace, Process, wait_until};

mod quick;

pub use quick::WgQuick;

/// Where the programs put their configuration sockets: all network namespaces share it, so device names are
/// unique on the machine.
const SOCKETS: &str = "/var/run/wireguard";
/// Inner MTU: `wg-quick` takes the same on Ethernet.
const MTU: u16 = 1420;
static NEXT_NUMBER: AtomicU32 = AtomicU32::new(0);

/// Whose program it is.
#[derive(Clone, Copy, Debug)]
pub enum Implementation<'a> {
    /// The reference implementation, Debian's package.
    WireGuardGo,
    /// This command, which is to be followed by the device's name.
    Other(&'a str),
}

/// A running program and its device.
#[derive(Debug)]
pub struct StockWireGuard {
    process: Process,
    device: String,
    host: Namespace,
}

impl StockWireGuard {
    /// Makes a device on `host`, configures it by `wg setconf` and brings it up with `addresses`.
    ///
    /// # Errors
    /// The program or `wg` are missing or refuse.
    pub fn start(
        host: &Namespace,
        implementation: Implementation<'_>,
        configuration: &str,
        addresses: &[Ipv6Addr],
    ) -> Result<Self> {
        let device = format!("wg{}-{}", std::process::id(), NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        let command = match implementation {
            Implementation::WireGuardGo => format!("wireguard-go -f {device}"),
            Implementation::Other(command) => format!("{command} {device}"),
        };
        let process = host.spawn("stock-wireguard", &command)?;
        let peer = Self { process, device, host: host.clone() };
        wait_until("the configuration socket", Duration::from_secs(10), || Ok(peer.socket().exists()))?;
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

    /// The program's process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
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

    /// Routes all of IPv6 into the device, as `wg-quick` does for `::/1, 8000::/1`.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn route_everything(&self) -> Result<()> {
        let device = &self.device;
        self.host.ip(&format!("route add ::/1 dev {device}\nroute add 8000::/1 dev {device}"))
    }

    /// Lends `address` to the peer at the other end.
    ///
    /// # Errors
    /// As [`lend`].
    pub fn lend(&self, address: Ipv6Addr) -> Result<()> {
        lend(&self.host, &self.device, address)
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

/// Has a VPS lend `address` to whoever is behind `device`: the steps that v6tun was made to spare.
///
/// # Errors
/// `ip` failed, or the kernel lacks a sysctl.
pub fn lend(vps: &Namespace, device: &str, address: Ipv6Addr) -> Result<()> {
    vps.set_sysctls(&[
        ("net/ipv6/conf/ens3/accept_ra", "2"),
        ("net/ipv6/conf/all/forwarding", "1"),
        ("net/ipv6/conf/all/proxy_ndp", "1"),
        ("net/ipv6/conf/ens3/proxy_ndp", "1"),
        ("net/ipv6/neigh/ens3/proxy_delay", "0"),
    ])?;
    vps.ip(&format!(
        "route add {address}/128 dev {device}
         neigh replace proxy {address} dev ens3"
    ))
}

impl Drop for StockWireGuard {
    fn drop(&mut self) {
        // It removes its socket itself if it is asked to stop; both may have happened already.
        let _ = self.process.stop();
        let _ = fs::remove_file(self.socket());
    }
}
