//! WireGuard programs of others, configured by `wg`.

use std::path::Path;

use anyhow::{Context as _, Result};
use v6tun_keys::PrivateKey;
use v6tun_tests::lab::Namespace;
use v6tun_tests::lab::straight_line::{StraightLine, VPS};
use v6tun_tests::stock_wireguard::{Implementation, StockWireGuard};

use super::{Contender, End};

/// The address of the pc's end.
const ADDRESS: &str = "2001:db8:7::3";
const PORT: u16 = 51821;
/// The inner MTU that v6tun takes on this path.
const MTU: u16 = 1440;
const FORWARDING: &str = "net/ipv6/conf/all/forwarding";

/// A program and its keys.
pub(crate) struct Stock<'l> {
    line: &'l StraightLine,
    name: String,
    /// With its options; the device's name is to be added.
    command: String,
    keys: [PrivateKey; 2],
}

impl<'l> Stock<'l> {
    /// # Errors
    /// It is not there, or does not say its version.
    pub(crate) fn new(line: &'l StraightLine, name: &str, program: &Path, options: &str) -> Result<Self> {
        let program = program.canonicalize().with_context(|| program.display().to_string())?;
        let said = line.pc.output(&format!("{} --version", program.display()))?;
        let version = said.split_whitespace().find(|word| word.contains(|char: char| char.is_ascii_digit()));
        Ok(Self {
            line,
            name: format!("{name} {}", version.unwrap_or_default().trim_start_matches('v')),
            command: format!("{} {options}", program.display()),
            keys: [PrivateKey::generate()?, PrivateKey::generate()?],
        })
    }
}

impl Contender for Stock<'_> {
    fn name(&self) -> &str {
        self.name.trim()
    }

    fn start_vps(&self) -> Result<Box<dyn End + '_>> {
        let [own, of_pc] = &self.keys;
        let configuration = format!(
            "[Interface]\nPrivateKey = {}\nListenPort = {PORT}\n\
             [Peer]\nPublicKey = {}\nAllowedIPs = {ADDRESS}/128\n",
            *own.to_base64(),
            of_pc.public_key()
        );
        let vps = &self.line.vps;
        let end = StockWireGuard::start(vps, Implementation::Other(&self.command), &configuration, &[])?;
        vps.set_sysctls(&[(FORWARDING, "1")])?;
        vps.ip(&format!("link set dev {0} mtu {MTU}\nroute add {ADDRESS}/128 dev {0}", end.device()))?;
        Ok(Box::new(Running { program: end, router: Some(vps) }))
    }

    fn start_pc(&self) -> Result<Box<dyn End + '_>> {
        let [of_vps, own] = &self.keys;
        let configuration = format!(
            "[Interface]\nPrivateKey = {}\n\
             [Peer]\nPublicKey = {}\nAllowedIPs = ::/0\nEndpoint = {VPS}:{PORT}\n\
             PersistentKeepalive = 25\n",
            *own.to_base64(),
            of_vps.public_key()
        );
        let pc = &self.line.pc;
        let command = Implementation::Other(&self.command);
        let end = StockWireGuard::start(pc, command, &configuration, &[ADDRESS.parse()?])?;
        pc.ip(&format!("link set dev {} mtu {MTU}", end.device()))?;
        end.route_everything()?;
        Ok(Box::new(Running { program: end, router: None }))
    }
}

struct Running<'l> {
    program: StockWireGuard,
    /// The machine that forwards for it.
    router: Option<&'l Namespace>,
}

impl End for Running<'_> {
    fn process_id(&self) -> Option<u32> {
        Some(self.program.process_id())
    }

    fn stop(self: Box<Self>) -> Result<()> {
        // Its device goes with the program, and all that points to that.
        drop(self.program);
        self.router.map_or(Ok(()), |router| router.set_sysctls(&[(FORWARDING, "0")]))
    }
}
