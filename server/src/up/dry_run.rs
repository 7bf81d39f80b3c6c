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
use v6tun_host::network::{Network, Observed, Requirement, SysctlKey, plan};
use v6tun_proto::ClientEntry;
use v6tun_wire::{Folders, GlobalArgs, OrFail, refuse_unless_untouched};

pub(crate) async fn run(global: &GlobalArgs, mut config: Config) -> Result<()> {
    let network = Network::open()?;
    refuse_unless_untouched(&Folders::named(ROLE, global), &network, &config.interface).await?;
    let uplink = Uplink::find(&network, config.uplink.as_deref()).await?;
    let state = StateStore::peek(&global.state_dir).or_failed()?;
    config.follow(&state, Some(&uplink));
    let config = &config;
    uplink_guard::check(config, &uplink)?;
    let mut text = format!("# at start\nip tuntap add dev {} mode tun\n", config.interface);
    let settled = Settled::of(config, &state, &Unlendable::of(&config.named(), &uplink)?)?;
    let packet_filter = packet_filter::requirements(config, &uplink, &settled.guarded(config))?;
    let startup = uplink_plan::startup(config, &uplink, packet_filter);
    write_changes(&network, &startup, &mut text).await?;
    let mut lent = Vec::new();
    for ClientEntry { name, address, .. } in settled.entries(config) {
        let _infallible = writeln!(text, "# when {name} connects");
        lent.push(address);
        let desired = uplink_plan::lease(address, &lent, config, &uplink);
        write_changes(&network, &desired, &mut text).await?;
    }
    Ok(io::stdout().write_all(text.as_bytes())?)
}

async fn write_changes(network: &Network, desired: &[Requirement], text: &mut String) -> Result<()> {
    let mut observed = network.observe(desired).await?;
    foresee_settings(network, desired, &mut observed)?;
    for change in plan(desired, &observed) {
        let _infallible = writeln!(text, "{change}");
    }
    Ok(())
}

/// A link that does not exist yet will begin with the settings of `default` (`net/ipv6/addrconf.c`, `ipv6_add_dev`).
fn foresee_settings(network: &Network, desired: &[Requirement], observed: &mut Observed) -> Result<()> {
    for requirement in desired {
        let Requirement::Sysctl { key, .. } = requirement else { continue };
        let Some((link, name)) = key.as_ipv6_conf() else { continue };
        if observed.sysctl(key).is_none()
            && observed.link(link).is_none()
            && let Some(value) = network.sysctl(&SysctlKey::ipv6_conf("default", name)?)?
        {
            observed.sysctls.insert(key.clone(), value);
        }
    }
    Ok(())
}
