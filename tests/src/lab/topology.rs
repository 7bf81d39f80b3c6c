//! Wires the machines of the drawing in [`super`] together.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::address::{
    NEIGHBOUR_IPV6, PROVIDER_IPV6, ROUTER_LINK_LOCAL, SECOND_LINK_LOCAL, SITE_IPV4, SITE_IPV6, SITE_NAME,
    VPS_IPV4, VPS_NAME,
};
use super::namespace::{Namespace, ip_batch};
use super::{Options, router, wait_until};

/// The machines, in the order of [`Parts`].
pub(super) const ROLES: [&str; 9] =
    ["pc", "laptop", "home", "carrier", "provider", "segment", "vps", "neighbour", "site"];

/// The machines by name.
pub(super) struct Parts<'a> {
    pub(super) pc: &'a Namespace,
    pub(super) laptop: &'a Namespace,
    pub(super) home: &'a Namespace,
    pub(super) carrier: &'a Namespace,
    pub(super) provider: &'a Namespace,
    pub(super) segment: &'a Namespace,
    pub(super) vps: &'a Namespace,
    pub(super) neighbour: &'a Namespace,
    pub(super) site: &'a Namespace,
}

impl<'a> Parts<'a> {
    fn all(&self) -> [&'a Namespace; 9] {
        [
            self.pc,
            self.laptop,
            self.home,
            self.carrier,
            self.provider,
            self.segment,
            self.vps,
            self.neighbour,
            self.site,
        ]
    }
}

pub(super) fn build(parts: &Parts<'_>, options: &Options) -> Result<()> {
    make_namespaces(parts)?;
    cable(parts)?;
    build_home_side(parts)?;
    build_provider(parts)?;
    options.vps_shape.tell_router(parts.provider)?;
    build_vps(parts.vps, options)?;
    build_neighbour(parts.neighbour)?;
    build_site(parts.site)
}

/// New machines, with names and a loopback interface.
pub(super) fn make(machines: &[&Namespace]) -> Result<()> {
    let batch: Vec<String> = machines.iter().map(|part| format!("netns add {}", part.name())).collect();
    ip_batch(&[], &batch.join("\n")).context("making the namespaces")?;
    for part in machines {
        write_name_service(part)?;
        part.ip("link set dev lo up")?;
        // New namespaces inherit IPv4's forwarding from the machine that they are made on.
        part.set_sysctls(&[("net/ipv4/ip_forward", "0"), ("net/ipv4/conf/all/rp_filter", "0")])?;
    }
    Ok(())
}

fn make_namespaces(parts: &Parts<'_>) -> Result<()> {
    make(&parts.all())?;
    // Those that are not looked at closely have been up for long: a router whose link-local address is
    // still being probed for duplicates cannot solicit anybody.
    for part in [parts.provider, parts.neighbour, parts.site] {
        part.set_sysctls(&[("net/ipv6/conf/default/accept_dad", "0")])?;
    }
    Ok(())
}

/// Names without a name server, and an empty `/etc/v6tun`: `ip netns exec` lays these over those of `/etc`.
fn write_name_service(part: &Namespace) -> Result<()> {
    let dir = Path::new("/etc/netns").join(part.name());
    fs::create_dir_all(part.etc_v6tun()).with_context(|| dir.display().to_string())?;
    let hosts = format!(
        "127.0.0.1 localhost\n::1 localhost\n{SITE_IPV4} {SITE_NAME}\n{SITE_IPV6} {SITE_NAME}\n{VPS_IPV4} {VPS_NAME}\n"
    );
    fs::write(dir.join("hosts"), hosts).context("the hosts file")?;
    fs::write(dir.join("resolv.conf"), "nameserver 127.0.0.1\n").context("the resolver's file")
}

/// One veth pair for each line of the drawing, created where its ends belong.
fn cable(parts: &Parts<'_>) -> Result<()> {
    let cables = [
        (parts.pc, "eth0", parts.home, "port1"),
        (parts.laptop, "eth0", parts.home, "port2"),
        (parts.home, "wan", parts.carrier, "inside"),
        (parts.carrier, "outside", parts.provider, "carrier"),
        (parts.provider, "segment", parts.segment, "router"),
        (parts.vps, "ens3", parts.segment, "vps"),
        (parts.neighbour, "ens3", parts.segment, "neighbour"),
        (parts.provider, "site", parts.site, "eth0"),
    ];
    let line = |(a, a_end, b, b_end): &(&Namespace, &str, &Namespace, &str)| {
        format!("link add name {a_end} netns {} type veth peer name {b_end} netns {}", a.name(), b.name())
    };
    ip_batch(&[], &cables.iter().map(line).collect::<Vec<_>>().join("\n")).context("cabling")
}

/// Two PCs, two NATs, and not a trace of IPv6 but the PCs' own link-local addresses.
fn build_home_side(parts: &Parts<'_>) -> Result<()> {
    for (computer, address) in [(parts.pc, "192.168.1.10/24"), (parts.laptop, "192.168.1.11/24")] {
        computer.ip(&format!(
            "address add {address} dev eth0
             link set dev eth0 up
             route add default via 192.168.1.1"
        ))?;
    }
    for part in [parts.home, parts.carrier, parts.segment] {
        part.set_sysctls(&[
            ("net/ipv6/conf/all/disable_ipv6", "1"),
            ("net/ipv6/conf/default/disable_ipv6", "1"),
        ])?;
    }
    parts.home.ip("link add name lan type bridge
         link set dev port1 master lan up
         link set dev port2 master lan up
         address add 192.168.1.1/24 dev lan
         link set dev lan up
         address add 10.20.30.40/16 dev wan
         link set dev wan up
         route add default via 10.20.0.1")?;
    router::masquerade(parts.home, "wan")?;
    parts.carrier.ip("address add 10.20.0.1/16 dev inside
         link set dev inside up
         address add 198.51.100.2/24 dev outside
         link set dev outside up
         route add default via 198.51.100.1")?;
    router::masquerade(parts.carrier, "outside")
}

/// The provider's router and the switch of its shared segment.
fn build_provider(parts: &Parts<'_>) -> Result<()> {
    parts.segment.ip("link add name switch type bridge mcast_snooping 0
         link set dev router master switch up
         link set dev vps master switch up
         link set dev neighbour master switch up
         link set dev switch up")?;
    parts.provider.set_sysctls(&[
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv6/conf/all/forwarding", "1"),
        // The router's link-local addresses on the segment are given by hand.
        ("net/ipv6/conf/segment/addr_gen_mode", "1"),
    ])?;
    parts.provider.ip(&format!(
        "address add 198.51.100.1/24 dev carrier
         link set dev carrier up
         address add 203.0.113.1/24 dev segment
         address add {ROUTER_LINK_LOCAL}/64 dev segment nodad
         address add {SECOND_LINK_LOCAL}/64 dev segment nodad
         address add {PROVIDER_IPV6}/64 dev segment nodad
         link set dev segment up
         address add 192.0.2.1/24 dev site
         address add 2001:db8:5::1/64 dev site nodad
         link set dev site up"
    ))
}

fn build_vps(vps: &Namespace, options: &Options) -> Result<()> {
    // Addresses that have passed their duplicate detection long ago: without probes they are valid at
    // once, and unlike with `nodad` they look like any others afterwards.
    vps.set_sysctls(&[("net/ipv6/conf/ens3/accept_dad", "0")])?;
    vps.ip(&format!(
        "address add {VPS_IPV4}/24 dev ens3
         link set dev ens3 up
         route add default via 203.0.113.1"
    ))?;
    if options.vps_has_ipv6 {
        vps.ip(&options.vps_shape.addresses(options.vps_address_lifetime))?;
    }
    wait_until("the addresses of the VPS to be valid", Duration::from_secs(5), || {
        Ok(vps.output("ip -6 -o address show tentative")?.is_empty())
    })?;
    vps.set_sysctls(&[("net/ipv6/conf/ens3/accept_dad", "1")])
}

fn build_neighbour(neighbour: &Namespace) -> Result<()> {
    neighbour.ip(&format!(
        "address add 203.0.113.234/24 dev ens3
         address add {NEIGHBOUR_IPV6}/64 dev ens3 nodad
         link set dev ens3 up
         route add default via 203.0.113.1"
    ))
}

fn build_site(site: &Namespace) -> Result<()> {
    site.ip(&format!(
        "address add {SITE_IPV4}/24 dev eth0
         address add {SITE_IPV6}/64 dev eth0 nodad
         link set dev eth0 up
         route add default via 192.0.2.1
         route add default via 2001:db8:5::1"
    ))
}
