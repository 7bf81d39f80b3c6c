//! The least that a tunnel from the lab's Windows can be: `relay.exe` of `tests/windows/relay` on the pc and two
//! threads on the VPS put packets into datagrams as they are, one each. What v6tun costs is measured against it.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::lab::address::VPS_IPV4;
use crate::lab::{Lab, Process};
use crate::stock_wireguard::lend;
use crate::windows_pc::WindowsPc;

/// The pc's address: one of the VPS's prefix that stands nowhere.
pub const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x1301, 0x740, 0xa133, 0, 0x113, 0x2340);
/// What v6tun takes on the same path: with the same packets the figures can be compared.
const MTU: u16 = 1440;
const PORT: u16 = 51822;
const DEVICE: &str = "relay0";
const ADAPTER: &str = "relay";
/// The greatest length of a packet.
const PACKET: usize = 65535;
/// How long a thread may take to see that it is to end.
const LOOK: Duration = Duration::from_millis(100);
const READY_LIMIT: Duration = Duration::from_secs(15);

/// The tunnel, for as long as this value lives.
#[derive(Debug)]
pub struct PlainTunnel {
    // Dropped in this order.
    relay: Process,
    _vps: VpsSide,
}

impl PlainTunnel {
    /// Brings it up: all of the pc's IPv6 goes through it.
    ///
    /// # Errors
    /// `relay.exe` is not built, or a part does not start.
    pub fn start(lab: &Lab, windows: &WindowsPc) -> Result<Self> {
        windows.install_helper("relay")?;
        let vps = VpsSide::start(lab)?;
        let arguments = format!("{ADAPTER} {}:0 {VPS_IPV4}:{PORT}", Ipv4Addr::UNSPECIFIED);
        let mut relay = lab.pc.spawn("relay", &windows.command_line("", "relay", &arguments))?;
        relay.wait_for_line("relay: up", READY_LIMIT)?;
        lab.pc.ip(&format!(
            "link set dev {ADAPTER} mtu {MTU}
             address add {ADDRESS}/128 dev {ADAPTER} nodad
             route add ::/0 dev {ADAPTER} metric 1"
        ))?;
        Ok(Self { relay, _vps: vps })
    }

    /// Takes it down, and waits until the pc is rid of it.
    ///
    /// # Errors
    /// The relay does not end.
    pub fn stop(mut self, windows: &WindowsPc) -> Result<()> {
        self.relay.kill()?;
        windows.wait_until_gone(ADAPTER)
    }
}

/// The other end.
#[derive(Debug)]
struct VpsSide {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl VpsSide {
    fn start(lab: &Lab) -> Result<Self> {
        let (device, socket) = lab.vps.enter(|| {
            let device = open_device().map_err(|error| anyhow!("the tun device {DEVICE}: {error}"))?;
            let socket = UdpSocket::bind((VPS_IPV4, PORT)).context("the relay's socket")?;
            Ok((Arc::new(device), Arc::new(socket)))
        })?;
        socket.set_read_timeout(Some(LOOK))?;
        lab.vps.ip(&format!("link set dev {DEVICE} mtu {MTU} up"))?;
        lend(&lab.vps, DEVICE, ADDRESS)?;
        let (is_over, peer) = (Arc::new(AtomicBool::new(false)), Arc::new(OnceLock::new()));
        let to_device = {
            let (device, socket, over, peer) =
                (Arc::clone(&device), Arc::clone(&socket), Arc::clone(&is_over), Arc::clone(&peer));
            thread::spawn(move || carry_to_device(&device, &socket, &over, &peer))
        };
        let over = Arc::clone(&is_over);
        let from_device = thread::spawn(move || carry_from_device(&device, &socket, &over, &peer));
        Ok(Self { is_over, threads: vec![to_device, from_device] })
    }
}

impl Drop for VpsSide {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It has nothing to say, even if it panicked.
            let _ = thread.join();
        }
    }
}

fn open_device() -> tun::Result<tun::Device> {
    let mut configuration = tun::Configuration::default();
    configuration.tun_name(DEVICE).platform_config(|platform| {
        platform.ensure_root_privileges(false);
    });
    tun::create(&configuration)
}

fn carry_to_device(
    device: &tun::Device,
    socket: &UdpSocket,
    is_over: &AtomicBool,
    peer: &OnceLock<SocketAddr>,
) {
    let mut packet = vec![0; PACKET];
    while !is_over.load(Ordering::Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut packet) {
            // The pc speaks first, and stays where it is.
            peer.get_or_init(|| from);
            // What the device does not take is lost.
            let _ = device.send(&packet[..length]);
        }
    }
}

fn carry_from_device(
    device: &tun::Device,
    socket: &UdpSocket,
    is_over: &AtomicBool,
    peer: &OnceLock<SocketAddr>,
) {
    let mut packet = vec![0; PACKET];
    while !is_over.load(Ordering::Relaxed) {
        match device.recv_timeout(&mut packet, LOOK) {
            Ok(length) => {
                if let Some(peer) = peer.get() {
                    // What the network does not take is lost.
                    let _ = socket.send_to(&packet[..length], peer);
                }
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(_) => return,
        }
    }
}
