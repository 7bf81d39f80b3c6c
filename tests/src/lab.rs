//! The article's network, in namespaces.
//!
//! ```text
//!   pc            laptop              192.168.1.10, .11  (IPv6: link-local only)
//!    │ eth0         │ eth0
//!    └──────┬───────┘
//!           │ lan   192.168.1.1/24
//!      home router            first NAT
//!           │ wan   10.20.30.40/16    (the private class-A address that the flat is handed)
//!           │
//!           │ inside   10.20.0.1/16
//!      carrier gateway        second NAT
//!           │ outside  198.51.100.2/24
//!           │
//!           │ carrier  198.51.100.1/24                  192.0.2.1/24, 2001:db8:5::1/64
//!      provider router ──────────────────────────────── site ──── eth0  site
//!           │ segment  203.0.113.1/24                             192.0.2.80, 2001:db8:5::80
//!           │          fe80::740:1, fe80::740:2                   www.turtle.example
//!           │          2001:db8:1301:740::1/64
//!           │          radvd: lifetime 1800 s, preference high, hop limit 64,
//!           │                 2001:db8:1301:740::/64 on-link, not autonomous
//!    ═══════╪═══════════════════════════════════  the shared segment (a bridge)
//!           │ ens3               │ ens3
//!          vps                neighbour
//!    203.0.113.233/24         203.0.113.234/24
//!    2001:db8:1301:740:133:0:113:233/128   2001:db8:1301:740:133:0:113:234/64
//!    2001:db8:1301:740:a133:0:113:2330/64
//!      … sixteen of them, added in order …
//!    2001:db8:1301:740:a133:0:113:233f/64     (added last: the source that the kernel prefers)
//! ```
//!
//! Other providers give other addresses: [`VpsShape`] has them.
//!
//! Names are unique to the process and the lab, so labs run in parallel. A lab is removed when it is
//! dropped; one whose process was killed is removed when the next lab is built ([`ownership`]).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

pub mod address;
mod crowd;
pub mod fault;
mod namespace;
mod neighbour_advertisement;
pub mod ownership;
mod process;
pub(crate) mod program;
pub mod relay;
mod router;
mod snapshot;
pub mod straight_line;
mod sweep;
mod topology;
mod vps_shape;
mod wait;

pub use crowd::Crowd;
pub use namespace::{Finished, Namespace};
pub use neighbour_advertisement::advertise_address;
pub use process::Process;
pub use snapshot::{Ipv4Snapshot, Snapshot};
pub use sweep::first_answers;
pub use vps_shape::VpsShape;
pub use wait::{wait_for, wait_until};

use crate::windows_pc::{WindowsPc, WindowsPcs};
use ownership::Ownership;

/// What a PC runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// The Linux client.
    #[default]
    Linux,
    /// The Windows client, under Wine, with doubles of what Wine lacks.
    Windows,
}

/// What may differ between one lab and another.
#[derive(Clone, Debug)]
pub struct Options {
    /// Lifetime of the default route that the provider's router advertises, 4–9000 s (the article's: 1800 s).
    pub router_lifetime: Duration,
    /// Whether a router advertises itself on the segment at all.
    pub router_advertisements: bool,
    /// Whether the VPS has IPv6 addresses besides its link-local one.
    pub vps_has_ipv6: bool,
    /// Which ones, if it has.
    pub vps_shape: VpsShape,
    /// What runs on the PC; the laptop has Linux.
    pub pc: System,
    /// Valid lifetime of the VPS's sixteen addresses, as DHCPv6 gives them; `None`: they never run out.
    pub vps_address_lifetime: Option<Duration>,
}

impl Options {
    /// The article's values, but for the addresses of the VPS.
    #[must_use]
    pub fn with_vps(vps_shape: VpsShape) -> Self {
        Self { vps_shape, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            router_lifetime: Duration::from_secs(1800),
            router_advertisements: true,
            vps_has_ipv6: true,
            vps_shape: VpsShape::default(),
            pc: System::default(),
            vps_address_lifetime: None,
        }
    }
}

/// The network, for as long as this value lives.
#[derive(Debug)]
pub struct Lab {
    // Dropped in this order: the lab's programs before the namespaces that they run in.
    windows_pcs: WindowsPcs,
    _site_server: Process,
    _radvd: Option<Process>,
    /// The IPv4-only PC of the article.
    pub pc: Namespace,
    /// A second PC beside it, behind the same two NATs.
    pub laptop: Namespace,
    /// The flat's own broadband router, the first NAT.
    pub home: Namespace,
    /// The carrier's gateway, the second NAT.
    pub carrier: Namespace,
    /// The VPS provider's router, gateway of the shared segment.
    pub provider: Namespace,
    /// The switch of the shared segment: its ports are `router`, `vps` and `neighbour`.
    pub segment: Namespace,
    /// The VPS.
    pub vps: Namespace,
    /// Another customer's VPS on the same segment.
    pub neighbour: Namespace,
    /// The web site with the turtle.
    pub site: Namespace,
    system_of_the_pc: System,
    ownership: Ownership,
}

impl Lab {
    /// Builds the network with the article's values.
    ///
    /// # Errors
    /// No root, a missing tool, or a kernel without one of the parts: the message names the command.
    pub fn build() -> Result<Self> {
        Self::build_with(&Options::default())
    }

    /// Builds the network with `options`.
    ///
    /// # Errors
    /// As [`Lab::build`].
    pub fn build_with(options: &Options) -> Result<Self> {
        require_root()?;
        let ownership = Ownership::claim()?;
        // From here on an early return drops `ownership`, which removes what has been built.
        let namespace = |role: &str| Namespace::new(ownership.namespace_name(role), role, ownership.dir());
        let [pc, laptop, home, carrier, provider, segment, vps, neighbour, site] =
            topology::ROLES.map(namespace);
        let parts = topology::Parts {
            pc: &pc,
            laptop: &laptop,
            home: &home,
            carrier: &carrier,
            provider: &provider,
            segment: &segment,
            vps: &vps,
            neighbour: &neighbour,
            site: &site,
        };
        topology::build(&parts, options)?;
        let turtle_site = program::link(ownership.dir(), &program::beside_this_one("turtle-site")?)?;
        let site_server = site.spawn("turtle-site", &format!("{turtle_site} --port 80"))?;
        let radvd =
            options.router_advertisements.then(|| router::advertise(&provider, options)).transpose()?;
        let lab = Self {
            windows_pcs: WindowsPcs::default(),
            _site_server: site_server,
            _radvd: radvd,
            pc,
            laptop,
            home,
            carrier,
            provider,
            segment,
            vps,
            neighbour,
            site,
            system_of_the_pc: options.pc,
            ownership,
        };
        lab.wait_for_life(options)?;
        Ok(lab)
    }

    /// Builds a lab, hands it to `test`, and prints what every program said if `test` fails.
    ///
    /// # Errors
    /// What building or `test` returned.
    pub fn run(options: &Options, test: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let lab = Self::build_with(options)?;
        lab.narrate_failure(|| test(&lab))
    }

    /// Runs `act`, and prints what every program of the lab said if it fails or panics.
    ///
    /// # Errors
    /// What `act` returned.
    pub fn narrate_failure(&self, act: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut logs = PrintLogs { dir: self.dir().to_owned(), armed: true };
        let outcome = act();
        logs.armed = outcome.is_err();
        outcome
    }

    /// All the machines, in the order of the drawing.
    #[must_use]
    pub fn machines(&self) -> [&Namespace; 9] {
        [
            &self.pc,
            &self.laptop,
            &self.home,
            &self.carrier,
            &self.provider,
            &self.site,
            &self.segment,
            &self.vps,
            &self.neighbour,
        ]
    }

    /// One more machine, which is still to be made.
    fn another(&self, role: &str) -> Namespace {
        Namespace::new(self.ownership.namespace_name(role), role, self.dir())
    }

    /// The lab's own folder: logs, keys, configurations, state. Removed with the lab.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.ownership.dir()
    }

    /// The Windows that runs on `machine`, started if it does not run yet; `None` if the machine has Linux.
    ///
    /// # Errors
    /// It does not start: see [`WindowsPc::boot`].
    pub fn windows_on(&self, machine: &Namespace) -> Result<Option<Arc<WindowsPc>>> {
        match self.system_of_the_pc {
            System::Windows if machine.role() == self.pc.role() => {
                self.windows_pcs.on(self, machine).map(Some)
            }
            System::Windows | System::Linux => Ok(None),
        }
    }

    /// The path of a program of the product, as a word of a command line.
    ///
    /// # Errors
    /// It is not built.
    pub fn product(&self, name: &str) -> Result<String> {
        program::link(self.dir(), &program::of_the_product(name)?)
    }

    /// The path of a program of this package, as a word of a command line.
    ///
    /// # Errors
    /// It is not built.
    pub fn helper(&self, name: &str) -> Result<String> {
        program::link(self.dir(), &program::beside_this_one(name)?)
    }

    /// Waits until the links carry, the site answers and the VPS has learnt what the router advertises.
    fn wait_for_life(&self, options: &Options) -> Result<()> {
        // The kernel looks at a link that has come up within a second; until then a bridge drops its packets.
        for bridge in [&self.home, &self.segment] {
            wait_until("the ports of a bridge to forward", Duration::from_secs(5), || {
                Ok(bridge.output("bridge link show")?.lines().all(|port| port.contains("state forwarding")))
            })?;
        }
        if options.router_advertisements {
            wait_until("the VPS to learn its default route", Duration::from_secs(10), || {
                let routes = self.vps.output("ip -6 route show default proto ra")?;
                Ok(routes.contains("via fe80::740:1 dev ens3"))
            })?;
        }
        wait_until("the site to listen", Duration::from_secs(5), || {
            Ok(self.site.output("ss -Htln sport = :80")?.contains(":80"))
        })
    }
}

/// Prints the logs of a lab while it is still there: on an error, and when a test panics.
struct PrintLogs {
    dir: PathBuf,
    armed: bool,
}

impl Drop for PrintLogs {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        for log in process::logs(&self.dir) {
            let text = fs::read_to_string(&log).unwrap_or_default();
            eprintln!("---- {} ----\n{}", log.display(), process::tail(&text, 60));
        }
    }
}

/// Lets no veth of these machines carry more than one packet at a time as one: real packets, as on a wire. What is
/// joined on arrival stays joined on its way through a machine, as with network cards.
///
/// # Errors
/// `ethtool` is missing or refuses.
pub fn send_real_packets(machines: &[&Namespace]) -> Result<()> {
    for machine in machines {
        let links: Value = serde_json::from_str(&machine.output("ip -j link show type veth")?)?;
        for link in links.as_array().into_iter().flatten() {
            let name = link["ifname"].as_str().context("a link without a name")?;
            machine.output(&format!("ethtool -K {name} tso off gso off tx-udp-segmentation off gro on"))?;
        }
    }
    Ok(())
}

fn require_root() -> Result<()> {
    anyhow::ensure!(
        rustix::process::geteuid().is_root(),
        "the lab needs root: it makes network namespaces (try: sudo -E env \"PATH=$PATH\" ...)"
    );
    Ok(())
}
