//! What is compared: the path itself, v6tun, and boringtun-cli.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use v6tun_keys::PrivateKey;
use v6tun_tests::lab::address::{SITE_IPV4, SITE_IPV6, VPS_IPV4};
use v6tun_tests::lab::{Lab, Process, wait_until};
use v6tun_tests::product::Deployment;
use v6tun_tests::stock_wireguard::{Implementation, StockWireGuard};

/// The port of the rival, whose rules in the provider's firewall would be the same.
const RIVAL_PORT: u16 = 51821;
/// An address of the VPS's prefix that stands nowhere.
const RIVAL_ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x1301, 0x740, 0xa133, 0, 0x113, 0x2340);
/// The inner MTU that v6tun takes on this path.
const MTU: u16 = 1440;

/// One way from the pc to the site.
pub(crate) trait Contender {
    fn name(&self) -> &'static str;
    /// The site's address, as this way reaches it.
    fn site(&self) -> String;
    /// Brings the way up, and waits until a ping goes through.
    fn start(&self) -> Result<Running>;
}

/// A way that is up.
pub(crate) struct Running {
    deployment: Option<(Deployment, [Process; 2])>,
    _stock: Vec<StockWireGuard>,
}

impl Running {
    /// Takes the way down, so that the next has the host as it was.
    pub(crate) fn stop(self) -> Result<()> {
        let Some((deployment, _processes)) = self.deployment else { return Ok(()) };
        deployment.pc.down()?;
        deployment.server.down()
    }
}

/// The path by IPv4 first, then v6tun, then the rival.
pub(crate) fn contenders<'a>(lab: &'a Lab, boringtun: &Path) -> Result<Vec<Box<dyn Contender + 'a>>> {
    let deployment = Deployment::install(lab)?;
    Ok(vec![Box::new(Path4), Box::new(V6tun { lab, deployment }), Box::new(Boringtun::new(lab, boringtun)?)])
}

/// IPv4 without any tunnel, through both NATs.
struct Path4;

impl Contender for Path4 {
    fn name(&self) -> &'static str {
        "IPv4, no tunnel"
    }

    fn site(&self) -> String {
        SITE_IPV4.to_string()
    }

    fn start(&self) -> Result<Running> {
        Ok(Running { deployment: None, _stock: Vec::new() })
    }
}

struct V6tun<'a> {
    lab: &'a Lab,
    deployment: Deployment,
}

impl Contender for V6tun<'_> {
    fn name(&self) -> &'static str {
        "v6tun"
    }

    fn site(&self) -> String {
        SITE_IPV6.to_string()
    }

    fn start(&self) -> Result<Running> {
        let server = self.deployment.server.up()?;
        let client = self.deployment.pc.up()?;
        wait_for_site(self.lab)?;
        Ok(Running { deployment: Some((self.deployment.clone(), [server, client])), _stock: Vec::new() })
    }
}

struct Boringtun<'a> {
    lab: &'a Lab,
    program: PathBuf,
    keys: [PrivateKey; 2],
}

impl<'a> Boringtun<'a> {
    fn new(lab: &'a Lab, program: &Path) -> Result<Self> {
        let program = program.canonicalize().with_context(|| program.display().to_string())?;
        Ok(Self { lab, program, keys: [PrivateKey::generate()?, PrivateKey::generate()?] })
    }
}

impl Contender for Boringtun<'_> {
    fn name(&self) -> &'static str {
        "boringtun-cli 0.7.1"
    }

    fn site(&self) -> String {
        SITE_IPV6.to_string()
    }

    fn start(&self) -> Result<Running> {
        let [of_vps, of_pc] = &self.keys;
        let at_vps = format!(
            "[Interface]\nPrivateKey = {}\nListenPort = {RIVAL_PORT}\n\
             [Peer]\nPublicKey = {}\nAllowedIPs = {RIVAL_ADDRESS}/128\n",
            *of_vps.to_base64(),
            of_pc.public_key()
        );
        let at_pc = format!(
            "[Interface]\nPrivateKey = {}\n\
             [Peer]\nPublicKey = {}\nAllowedIPs = ::/0\nEndpoint = {VPS_IPV4}:{RIVAL_PORT}\n",
            *of_pc.to_base64(),
            of_vps.public_key()
        );
        let program = Implementation::Boringtun(&self.program);
        let vps = StockWireGuard::start(&self.lab.vps, program, &at_vps, &[])?;
        vps.lend(RIVAL_ADDRESS)?;
        let pc = StockWireGuard::start(&self.lab.pc, program, &at_pc, &[RIVAL_ADDRESS])?;
        pc.route_everything()?;
        for (host, stock) in [(&self.lab.vps, &vps), (&self.lab.pc, &pc)] {
            host.ip(&format!("link set dev {} mtu {MTU}", stock.device()))?;
        }
        wait_for_site(self.lab)?;
        Ok(Running { deployment: None, _stock: vec![vps, pc] })
    }
}

fn wait_for_site(lab: &Lab) -> Result<()> {
    wait_until("the site to be reached", Duration::from_secs(10), || {
        Ok(lab.pc.run(&format!("ping -n -c 1 -W 1 {SITE_IPV6}"))?.success())
    })
}
