//! `v6tun-server up --dry-run`: the changes as commands, and none of them made.

use crate::ROLE;
use crate::config::Config;
use crate::packet_filter;
use crate::roster::Settled;
use crate::state::StateStore;
use crate::uplink::Uplink;
use crate::uplink_guard::{self, Unlendable};
use crate::uplink_plan;
use anyhow::Result;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use v6tun_host::network::{Network, Requirement, plan};
use v6tun_proto::ClientEntry;
use v6tun_wire::{Folders, GlobalArgs, OrFail, refuse_unless_untouched};

pub(crate) async fn run(global: &GlobalArgs, config: &Config) -> Result<()> {
    let network = Network::open()?;
    refuse_unless_untouched(&Folders::named(ROLE, global), &network, &config.interface).await?;
    let uplink = Uplink::find(&network, config.uplink.as_deref()).await?;
    uplink_guard::check(config, &uplink)?;
    let mut text = format!("# at start\nip tuntap add dev {} mode tun\n", config.interface);
    let startup = uplink_plan::startup(config, &uplink, packet_filter::requirements(config, &uplink));
    write_changes(&network, &startup, &mut text).await?;
    let mut lent = Vec::new();
    let state = StateStore::peek(&global.state_dir).or_failed()?;
    let settled = Settled::of(config, &state, &Unlendable::of(config, &uplink)?)?;
    for ClientEntry { name, address, .. } in settled.entries(config) {
        let _infallible = writeln!(text, "# when {name} connects");
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
