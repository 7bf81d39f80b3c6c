//! A path that carries less than both ends' links, and nobody who says so: what is found of it, and that nothing hangs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Namespace, Options, Process, wait_until};
use v6tun_tests::product::Deployment;

use crate::tools::must_reach;
use crate::transfer::must_arrive;

/// What the tunnel adds over IPv4, bytes.
const OVERHEAD: u64 = 60;

/// Counts the fragments that come in by one link.
const COUNT_FRAGMENTS: &str = "table netdev fragments { chain count {
    type filter hook ingress device DEVICE priority 0; ip frag-off & 0x3fff != 0 counter; }
}";

/// No router says that anything was too long, neither of the outer datagrams nor of the packets in them.
const SAY_NOTHING: &str = "table inet mute {
    chain made { type filter hook output priority 0; icmp type destination-unreachable drop;
                 icmpv6 type packet-too-big drop; }
    chain passed { type filter hook forward priority 0; icmp type destination-unreachable drop;
                   icmpv6 type packet-too-big drop; }
}";

/// The PC's network changes.
const ANOTHER_ADDRESS: &str = "address del 192.168.1.10/24 dev eth0
    address add 192.168.1.12/24 dev eth0
    route replace default via 192.168.1.1 dev eth0";

/// The link between the carrier's gateway and the provider's router, the narrowest of the path.
struct Narrows<'a> {
    ends: [(&'a Namespace, &'static str); 2],
}

impl<'a> Narrows<'a> {
    fn of(lab: &'a Lab, mtu: u64) -> Result<Self> {
        let narrows = Self { ends: [(&lab.carrier, "outside"), (&lab.provider, "carrier")] };
        narrows.set(mtu)?;
        for (router, device) in narrows.ends {
            router.nft(&COUNT_FRAGMENTS.replace("DEVICE", device))?;
            router.nft(SAY_NOTHING)?;
        }
        Ok(narrows)
    }

    fn set(&self, mtu: u64) -> Result<()> {
        self.ends
            .iter()
            .try_for_each(|(router, device)| router.ip(&format!("link set dev {device} mtu {mtu}")))
    }

    /// The fragments that have passed, both ways.
    fn fragments(&self) -> Result<u64> {
        let mut sum = 0;
        for (router, _) in self.ends {
            let rules = router.output("nft list table netdev fragments")?;
            let mut words = rules.split_whitespace().skip_while(|word| *word != "packets").skip(1);
            sum += words.next().with_context(|| rules.clone())?.parse::<u64>()?;
        }
        Ok(sum)
    }
}

/// The server and the client on a path that carries datagrams of that length.
fn on_path(mtu: u64, act: impl Fn(&Lab, &Deployment, &Narrows<'_>, &Process) -> Result<()>) -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let narrows = Narrows::of(lab, mtu)?;
        let _server = deployment.server.up()?;
        let pc = deployment.pc.start_up()?;
        let up = deployment.pc.run("status --wait 30")?;
        ensure!(up.success(), "{up:?}");
        act(lab, &deployment, &narrows, &pc)
    })
    .with_context(|| format!("an outer path of {mtu} bytes"))
}

/// Waits until the client, its tun and the server agree on an MTU from that one down to eight bytes less.
fn must_find(lab: &Lab, deployment: &Deployment, most: u64) -> Result<()> {
    wait_until("the path's MTU", Duration::from_secs(20), || {
        let client = deployment.pc.status()?["mtu"].as_u64();
        let server = deployment.server.status()?["clients"][0]["mtu"].as_u64();
        let link = lab.pc.output("ip link show dev v6tun0")?;
        let found = client.filter(|mtu| (most - 8..=most).contains(mtu));
        Ok(found.is_some_and(|mtu| server == Some(mtu) && link.contains(&format!(" mtu {mtu} "))))
    })
    .with_context(|| format!("{most} bytes: the client says {:?}", deployment.pc.status()))
}

#[test]
fn a_path_is_found_within_eight_bytes_and_carries_both_ways_without_a_fragment_though_no_router_speaks()
-> Result<()> {
    for mtu in [1500, 1492, 1454, 1400, 1340] {
        on_path(mtu, |lab, deployment, narrows, _| {
            let start = Instant::now();
            must_find(lab, deployment, mtu - OVERHEAD)?;
            let found = start.elapsed();
            must_arrive(lab, 10 << 10, mtu)?;
            ensure!(narrows.fragments()? == 0, "{} fragments", narrows.fragments()?);
            println!("{mtu}: found {found:?} after the lease, all arrived {:?} after it", start.elapsed());
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_path_that_shrinks_under_a_transfer_is_found_anew_and_one_that_grows_when_the_network_changes()
-> Result<()> {
    on_path(1500, |lab, deployment, narrows, _| {
        must_find(lab, deployment, 1440)?;
        narrows.set(1400)?;
        must_arrive(lab, 1 << 10, 1)?;
        must_find(lab, deployment, 1340)?;
        ensure!(narrows.fragments()? == 0, "{} fragments", narrows.fragments()?);
        narrows.set(1500)?;
        lab.pc.ip(ANOTHER_ADDRESS)?;
        must_find(lab, deployment, 1440)
    })
}

#[test]
fn senders_on_both_sides_are_told_of_packets_that_the_path_does_not_carry() -> Result<()> {
    on_path(1454, |lab, deployment, _, _| {
        must_find(lab, deployment, 1394)?;
        // The site's packets are longer than the path until it is told; UDP and ping have no segment size to agree on.
        lab.provider.nft("delete table inet mute")?;
        let whole = |from: &Namespace, to: std::net::Ipv6Addr, size: u64| {
            from.run(&format!("ping -n -c 3 -i 0.2 -W 2 -M do -s {} {to}", size - 48))
        };
        ensure!(whole(&lab.site, leasable(0), 1394)?.success(), "1394 bytes fit");
        let told = whole(&lab.site, leasable(0), 1440)?;
        let said = format!("{}{}", told.stdout, told.stderr);
        ensure!(!told.success() && said.contains("1394"), "the site was not told: {said}");
        let refused = whole(&lab.pc, SITE_IPV6, 1395)?;
        let said = format!("{}{}", refused.stdout, refused.stderr);
        ensure!(!refused.success() && said.contains("1394"), "the PC was not told: {said}");
        must_reach(&lab.pc, SITE_IPV6)
    })
}

#[test]
fn a_path_too_small_for_ipv6_is_used_in_fragments_and_that_is_said_once() -> Result<()> {
    on_path(1300, |lab, deployment, narrows, pc| {
        let said = || pc.stderr().matches("does not carry 1340 bytes in one piece").count();
        wait_until("the client to say it", Duration::from_secs(20), || Ok(said() > 0))?;
        must_arrive(lab, 1 << 10, 1)?;
        ensure!(deployment.pc.status()?["mtu"] == 1280, "{}", deployment.pc.status()?);
        ensure!(narrows.fragments()? > 0, "1340 bytes went through 1300 in one piece");
        ensure!(said() == 1, "said {} times", said());
        Ok(())
    })
}
