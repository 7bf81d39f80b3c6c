//! What the client costs, against the least that a tunnel can be.

use anyhow::{Result, ensure};
use v6tun_tests::iperf::{self, Direction};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, Options, System};
use v6tun_tests::plain_tunnel::PlainTunnel;
use v6tun_tests::product::Deployment;
use v6tun_tests::windows_pc::WindowsPc;

use crate::tools::must_reach;

/// How often each is measured in each direction; they take turns, and the median counts.
const ROUNDS: usize = 3;
const SECONDS: u32 = 3;
/// What the client must reach of the plain tunnel.
const SHARE: f64 = 0.9;

#[test]
fn tcp_through_the_client_is_as_fast_as_through_a_tunnel_that_does_nothing_but_carry() -> Result<()> {
    Lab::run(&Options { pc: System::Windows, ..Options::default() }, |lab| {
        let deployment = Deployment::install(lab)?;
        let windows = lab.windows_on(&lab.pc)?.expect("the pc has Windows");
        let _iperf = iperf::serve(&lab.site)?;
        let (mut plain, mut client) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            plain.push(through_the_plain_tunnel(lab, &windows)?);
            client.push(through_the_client(lab, &windows, &deployment)?);
        }
        for (index, direction) in [Direction::Up, Direction::Down].into_iter().enumerate() {
            let [theirs, ours] = [&plain, &client].map(|all| median(all.iter().map(|rates| rates[index])));
            eprintln!("{direction:?}: {ours:.0} Mb/s, the plain tunnel {theirs:.0}: {:.2}", ours / theirs);
            ensure!(ours >= SHARE * theirs, "{direction:?}: {client:.0?} against {plain:.0?} Mb/s");
        }
        Ok(())
    })
}

/// Mb/s, from the pc and to it.
type Rates = [f64; 2];

fn through_the_plain_tunnel(lab: &Lab, windows: &WindowsPc) -> Result<Rates> {
    let tunnel = PlainTunnel::start(lab, windows)?;
    let rates = rates(lab, windows)?;
    tunnel.stop(windows)?;
    Ok(rates)
}

fn through_the_client(lab: &Lab, windows: &WindowsPc, deployment: &Deployment) -> Result<Rates> {
    let _server = deployment.server.up()?;
    let _client = deployment.pc.up()?;
    let rates = rates(lab, windows)?;
    deployment.pc.down()?;
    deployment.server.down()?;
    Ok(rates)
}

fn rates(lab: &Lab, windows: &WindowsPc) -> Result<Rates> {
    must_reach(&lab.pc, SITE_IPV6)?;
    windows.share_one_processor()?;
    let rate = |direction| -> Result<f64> {
        let transfer = iperf::run(&lab.pc, &SITE_IPV6.to_string(), direction, SECONDS, 1)?;
        Ok(transfer.bits_per_second / 1e6)
    };
    Ok([rate(Direction::Up)?, rate(Direction::Down)?])
}

fn median(rates: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = rates.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
