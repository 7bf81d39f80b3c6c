//! What the client costs, against the least that a tunnel can be.

use anyhow::{Result, ensure};
use v6tun_tests::iperf::{self, Direction};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, Options};
use v6tun_tests::plain_tunnel::PlainTunnel;
use v6tun_tests::windows_pc::WindowsPc;

use crate::tools::must_reach;

#[test]
fn the_plain_tunnel_carries_tcp_both_ways() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let _server = iperf::serve(lab)?;
        let windows = WindowsPc::boot(lab, &lab.pc)?;
        let tunnel = PlainTunnel::start(lab, &windows)?;
        must_reach(&lab.pc, SITE_IPV6)?;
        for direction in [Direction::Up, Direction::Down] {
            let rate = iperf::run(lab, &SITE_IPV6.to_string(), direction, 2)? / 1e6;
            eprintln!("{direction:?}: {rate:.0} Mb/s");
            ensure!(rate > 20.0, "{direction:?}: {rate:.0} Mb/s");
        }
        tunnel.stop(&windows)
    })
}
