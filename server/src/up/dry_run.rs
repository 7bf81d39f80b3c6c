//! `v6tun-server up --dry-run`: the changes as commands, and none of them made.

use super::addresses;
use crate::ROLE;
use crate::config::Config;
use crate::uplink::Uplink;
use crate::{uplink_guard, uplink_plan};
use anyhow::Result;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use v6tun_host::network::{Network, Requirement, plan};
use v6tun_wire::{Folders, GlobalArgs, refuse_unless_untouched};

pub(crate) async fn run(global: &GlobalArgs, config: &Config) -> Result<()> {
    let network = Network::open()?;
    refuse_unless_untouched(&Folders::named(ROLE, global), &network, &config.interface).await?;
    let uplink = Uplink::find(&network, config.uplink.as_deref()).await?;
    uplink_guard::check(config, &uplink)?;
    let mut text = format!("# at start\nip tuntap add dev {} mode tun\n", config.interface);
    write_changes(&network, &uplink_plan::startup(config, &uplink), &mut text).await?;
    let mut lent = Vec::new();
    for (client, address) in config.clients.iter().zip(addresses(config, &uplink)?) {
        let _infallible = writeln!(text, "# when {} connects", client.name);
        lent.push(address);
        let desired = uplink_plan::lease(address, &lent, config, &uplink);
        write_changes(&network, &desired, &mut text).await?;
    }
    Ok(io::stdout().write_all(text.as_bytes())?)
}

async fn write_changes(network: &Network, desired: &[Requirement], text: &mut String) -> Result<()> {
    let observed = network.observe(desired).await?;
    for change in plan(desired, &observed) {
        let _infallible = writeln!(text, "{change}");
    }
    Ok(())
}
