//! A router's mark of congestion on the outside reaches the connection inside (RFC 6040).

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Namespace};
use v6tun_tests::product::{Deployment, PORT};

use crate::offload::{in_lab, transfer};
use crate::tools::must_reach;

const BYTES: u64 = 8 << 20;

#[test]
fn a_mark_on_the_outer_path_is_told_to_the_sender_inside() -> Result<()> {
    in_lab(|lab| {
        let deployment = Deployment::install(lab)?;
        let _running = [deployment.server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        for host in [&lab.pc, &lab.site] {
            host.set_sysctls(&[("net/ipv4/tcp_ecn", "1")])?;
        }
        mark_some_of_the_tunnel(lab)?;
        let ends = [(&lab.pc, &lab.site, SITE_IPV6), (&lab.site, &lab.pc, leasable(0))];
        for (from, to, address) in ends {
            let before = Counters::read(from, to)?;
            transfer(from, (to, address), BYTES)?;
            let after = Counters::read(from, to)?;
            let way = format!("{} to {}: {before:?}, then {after:?}", from.role(), to.role());
            ensure!(after.marks_received > before.marks_received, "no mark arrived, {way}");
            ensure!(after.marks_told > before.marks_told, "the sender was not told, {way}");
        }
        Ok(())
    })
}

#[test]
fn a_connection_that_knows_no_marks_is_not_marked() -> Result<()> {
    in_lab(|lab| {
        let deployment = Deployment::install(lab)?;
        let _running = [deployment.server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        for host in [&lab.pc, &lab.site] {
            host.set_sysctls(&[("net/ipv4/tcp_ecn", "0")])?;
        }
        mark_some_of_the_tunnel(lab)?;
        transfer(&lab.pc, (&lab.site, SITE_IPV6), BYTES)?;
        let marks = Counters::read(&lab.pc, &lab.site)?.marks_received;
        ensure!(marks == 0, "{marks} marks");
        Ok(())
    })
}

/// Makes the provider's router mark one in fifty of the tunnel's datagrams that say that they know marks.
fn mark_some_of_the_tunnel(lab: &Lab) -> Result<()> {
    lab.provider.nft(&format!(
        "table ip congestion {{
             chain forward {{
                 type filter hook forward priority filter
                 udp dport {PORT} ip ecn ect0 numgen inc mod 50 0 ip ecn set ce
                 udp sport {PORT} ip ecn ect0 numgen inc mod 50 0 ip ecn set ce
             }}
         }}"
    ))
}

/// What the kernels of both ends have counted (`net/ipv6/proc.c`, `net/ipv4/proc.c`).
#[derive(Debug)]
struct Counters {
    /// Packets that arrived with a mark.
    marks_received: u64,
    /// Segments of which the receiver said that they had arrived with a mark.
    marks_told: u64,
}

impl Counters {
    fn read(sender: &Namespace, receiver: &Namespace) -> Result<Self> {
        Ok(Self {
            marks_received: counter(receiver, "Ip6InCEPkts")?,
            marks_told: counter(sender, "TcpExtTCPDeliveredCE")?,
        })
    }
}

fn counter(host: &Namespace, name: &str) -> Result<u64> {
    let said = host.output(&format!("nstat -asz {name}"))?;
    let line = said.lines().find(|line| line.starts_with(name)).with_context(|| said.clone())?;
    Ok(line.split_whitespace().nth(1).with_context(|| line.to_owned())?.parse()?)
}
