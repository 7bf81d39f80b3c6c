//! `v6tun-server up --dry-run`: the changes as commands, and none of them made.

use crate::ROLE;
use crate::config::Config;
use crate::uplink::Uplink;
use crate::{uplink_guard, uplink_plan};
use anyhow::Result;
use std::net::Ipv6Addr;
use v6tun_host::network::{Network, Requirement, plan};
use v6tun_wire::{Folders, GlobalArgs};

pub(crate) async fn run(global: &GlobalArgs, config: &Config, addresses: &[Ipv6Addr]) -> Result<()> {
    let network = Network::open()?;
    let uplink = Uplink::find(&network, config.uplink.as_deref()).await?;
    uplink_guard::check(config, &uplink)?;
    if Folders::named(ROLE, global).journal.exists() {
        println!("# a server was killed or is running: what it changed is restored first");
    }
    println!("# at start");
    println!("ip tuntap add dev {} mode tun", config.interface);
    print_changes(&network, &uplink_plan::startup(config, &uplink)).await?;
    for (index, (client, address)) in config.clients.iter().zip(addresses).enumerate() {
        println!("# when {} connects", client.name);
        let lent = addresses.get(..=index).unwrap_or(addresses);
        let desired = uplink_plan::lease(*address, lent, &config.interface, &uplink);
        print_changes(&network, &desired).await?;
    }
    Ok(())
}

async fn print_changes(network: &Network, desired: &[Requirement]) -> Result<()> {
    let observed = network.observe(desired).await?;
    for change in plan(desired, &observed) {
        println!("{change}");
    }
    Ok(())
}
