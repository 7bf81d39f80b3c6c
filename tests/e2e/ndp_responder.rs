//! The server answers neighbour solicitations itself where `ndp = "responder"` says so.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Snapshot, wait_until};
use v6tun_tests::product::Deployment;

use crate::tools::must_reach;

#[test]
fn a_gateway_that_takes_no_answer_from_a_link_local_address_works_with_the_responder_alone() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        lab.provider.nft(
            "table ip6 picky {
                 chain hears {
                     type filter hook prerouting priority raw;
                     iifname segment ip6 saddr fe80::/10 icmpv6 type nd-neighbor-advert counter drop
                 }
             }",
        )?;
        // The VPS itself is known to it by other means.
        let mac = word_after(&lab.vps.output("ip -o link show dev ens3")?, "link/ether")?;
        let link_local = word_after(&lab.vps.output("ip -6 -o addr show dev ens3 scope link")?, "inet6")?;
        let link_local = link_local.trim_end_matches("/64");
        lab.provider.ip(&format!("neigh replace {link_local} lladdr {mac} dev segment nud permanent"))?;

        let deployment = Deployment::install(lab)?;
        let config = fs::read_to_string(deployment.server.config())?;
        let before = Snapshot::take(&lab.vps)?;
        for (ndp, reaches) in [("kernel", false), ("responder", true)] {
            deployment.server.write_config(&format!("{config}\n[uplink]\nndp = \"{ndp}\"\n"))?;
            let _running = [deployment.server.up()?, deployment.pc.up()?];
            let reached = must_reach(&lab.pc, SITE_IPV6);
            ensure!(reached.is_ok() == reaches, "{ndp}: {reached:?}");
            if reaches {
                must_reach(&lab.site, leasable(0))?;
                let proxies = lab.vps.output("ip -6 neigh show proxy")?;
                ensure!(proxies.is_empty(), "the kernel answers as well: {proxies}");
            }
            deployment.pc.down()?;
            deployment.server.down()?;
            lab.provider.run(&format!("ip -6 neigh del {} dev segment", leasable(0)))?;
        }
        let difference = before.difference(&Snapshot::take(&lab.vps)?);
        ensure!(difference.is_empty(), "{difference}");
        Ok(())
    })
}

#[test]
fn the_responder_answers_again_after_the_uplink_was_down_and_stops_with_the_lease() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let config = fs::read_to_string(deployment.server.config())?;
        deployment.server.write_config(&format!("{config}\n[uplink]\nndp = \"responder\"\n"))?;
        let _server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;
        let asks = |host: &str| format!("ndisc6 -1 -q -r 1 -w 500 {host} ens3");
        let lease = leasable(0).to_string();
        lab.neighbour.output(&asks(&lease))?;
        let free = lab.neighbour.run(&asks("2001:db8:1301:740::77"))?;
        ensure!(!free.success(), "it answers for an address that nobody has: {free:?}");
        lab.vps.ip("link set ens3 down\nlink set ens3 up")?;
        let answers = || Ok(lab.neighbour.run(&asks(&lease))?.success());
        wait_until("an answer after that", Duration::from_secs(10), answers)?;
        deployment.server.down()?;
        // What stands on the uplink again the kernel answers for: the lease is an address of the VPS.
        lab.vps.run(&format!("ip -6 addr del {lease}/64 dev ens3"))?;
        ensure!(!answers()?, "it is still answered for");
        Ok(())
    })
}

fn word_after(said: &str, title: &str) -> Result<String> {
    let mut words = said.split_whitespace().skip_while(|word| *word != title);
    Ok(words.nth(1).with_context(|| said.to_owned())?.to_owned())
}
