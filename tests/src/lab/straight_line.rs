//! A path to measure on: four machines in a row, nothing between them that costs more than routing.
//!
//! ```text
//!   pc ──────────────────── router ──────────────────── vps ──────────────────── site
//!   198.51.100.2/24     .1        203.0.113.1/24    .2       192.0.2.1/24       .2
//!   2001:db8:a::2/64    ::1       2001:db8:b::1/64  ::2      2001:db8:5::1/64   ::2
//! ```
//!
//! Tunnels cross the router by IPv4. By IPv6 the router forwards only while [`StraightLine::open`] holds: that is the
//! path without any tunnel, which all others are compared with. No veth carries more than one packet at a time as
//! one, so that what is measured is real packets of at most 1500 bytes.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::namespace::{Namespace, ip_batch};
use super::ownership::Ownership;
use super::{program, require_root, send_real_packets};

/// The four machines, for as long as this value lives.
#[derive(Debug)]
pub struct StraightLine {
    /// Where the client runs.
    pub pc: Namespace,
    /// What lies between: an ordinary router.
    pub router: Namespace,
    /// Where the server runs.
    pub vps: Namespace,
    /// Where the traffic goes.
    pub site: Namespace,
    ownership: Ownership,
}

/// The site.
pub const SITE: &str = "2001:db8:5::2";
/// The VPS, as the tunnel reaches it.
pub const VPS: &str = "203.0.113.2";
/// The interface of the VPS on which its IPv6 is.
pub const UPLINK: &str = "uplink";

const ROLES: [&str; 4] = ["pc", "router", "vps", "site"];

impl StraightLine {
    /// Builds it.
    ///
    /// # Errors
    /// No root, a missing tool, or a kernel without one of the parts.
    pub fn build() -> Result<Self> {
        require_root()?;
        let ownership = Ownership::claim()?;
        // From here on an early return drops `ownership`, which removes what has been built.
        let [pc, router, vps, site] =
            ROLES.map(|role| Namespace::new(ownership.namespace_name(role), role, ownership.dir()));
        let line = Self { pc, router, vps, site, ownership };
        line.make_machines()?;
        line.cable()?;
        line.number()?;
        send_real_packets(&line.machines())?;
        Ok(line)
    }

    /// The folder of logs and files, removed with the line.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.ownership.dir()
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

    /// Lets the pc reach the site by IPv6 without any tunnel.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn open(&self) -> Result<()> {
        self.router.set_sysctls(&[("net/ipv6/conf/all/forwarding", "1")])?;
        self.router.ip("route replace 2001:db8:5::/64 via 2001:db8:b::2")?;
        self.vps.set_sysctls(&[("net/ipv6/conf/all/forwarding", "1")])?;
        self.vps.ip("route replace 2001:db8:a::/64 via 2001:db8:b::1")?;
        self.pc.ip("address add 2001:db8:a::2/64 dev eth0 nodad
             route replace 2001:db8:5::/64 via 2001:db8:a::1")
    }

    /// Ends what [`open`](Self::open) began.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn close(&self) -> Result<()> {
        self.pc.ip("route delete 2001:db8:5::/64 via 2001:db8:a::1
             address delete 2001:db8:a::2/64 dev eth0")?;
        self.vps.ip("route delete 2001:db8:a::/64 via 2001:db8:b::1")?;
        self.vps.set_sysctls(&[("net/ipv6/conf/all/forwarding", "0")])?;
        self.router.set_sysctls(&[("net/ipv6/conf/all/forwarding", "0")])
    }

    fn machines(&self) -> [&Namespace; 4] {
        [&self.pc, &self.router, &self.vps, &self.site]
    }

    fn make_machines(&self) -> Result<()> {
        let names = self.machines().map(|machine| format!("netns add {}", machine.name()));
        ip_batch(&[], &names.join("\n")).context("making the namespaces")?;
        for machine in self.machines() {
            std::fs::create_dir_all(machine.etc_v6tun()).context("a machine's own /etc/v6tun")?;
            machine.ip("link set dev lo up")?;
            machine.set_sysctls(&[
                ("net/ipv4/ip_forward", "0"),
                ("net/ipv4/conf/all/rp_filter", "0"),
                ("net/ipv6/conf/default/accept_dad", "0"),
            ])?;
        }
        Ok(())
    }

    fn cable(&self) -> Result<()> {
        let cables = [
            (&self.pc, "eth0", &self.router, "home"),
            (&self.router, "provider", &self.vps, "eth0"),
            (&self.vps, UPLINK, &self.site, "eth0"),
        ];
        let cable = cables.map(|(one, end, other, other_end)| {
            let (one, other) = (one.name(), other.name());
            format!("link add name {end} netns {one} type veth peer name {other_end} netns {other}")
        });
        ip_batch(&[], &cable.join("\n")).context("cabling")
    }

    fn number(&self) -> Result<()> {
        self.pc.ip("address add 198.51.100.2/24 dev eth0
             link set dev eth0 up
             route add default via 198.51.100.1")?;
        self.router.ip("address add 198.51.100.1/24 dev home
             address add 2001:db8:a::1/64 dev home nodad
             link set dev home up
             address add 203.0.113.1/24 dev provider
             address add 2001:db8:b::1/64 dev provider nodad
             link set dev provider up")?;
        self.router.set_sysctls(&[("net/ipv4/ip_forward", "1")])?;
        self.vps.ip(&format!(
            "address add {VPS}/24 dev eth0
             address add 2001:db8:b::2/64 dev eth0 nodad
             link set dev eth0 up
             route add default via 203.0.113.1
             address add 2001:db8:5::1/64 dev {UPLINK} nodad
             link set dev {UPLINK} up"
        ))?;
        self.site.ip(&format!(
            "address add {SITE}/64 dev eth0 nodad
             link set dev eth0 up
             route add default via 2001:db8:5::1"
        ))
    }
}
