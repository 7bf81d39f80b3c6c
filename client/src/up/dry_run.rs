//! `v6tun-client up --dry-run`: the changes as commands, with no change made and no server asked.

use std::{
    io::{self, Write},
    net::Ipv6Addr,
};

use anyhow::Result;
use v6tun_host::network::{Network, plan};
use v6tun_keys::Invitation;
use v6tun_wire::{Folders, GlobalArgs, refuse_unless_untouched};

use crate::{
    ROLE,
    config::{self, Config},
    enrolment,
    route_plan::{self, Tunnel},
    state_file::StateFile,
};

/// Stands for the address that only the server knows: of 100::/64, which leads nowhere (RFC 6666).
const UNKNOWN: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1);

const LAST_ADDRESS_NOTE: &str = "# with the address of the last time; the server may give another\n";

pub(super) async fn run(global: &GlobalArgs, invitation: Option<&Invitation>) -> Result<()> {
    let (mut text, config) = match invitation {
        Some(invitation) => enrolment::foresee(invitation, &config::path(global))?,
        None => (String::new(), Config::load(&config::existing_path(global)?)?),
    };
    let last = StateFile::read(StateFile::path(global), &config).address();
    if config.address.is_none() && last.is_some() {
        text += LAST_ADDRESS_NOTE;
    }
    text += &commands(global, &config, last).await?;
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// `last` is the address that the server gave last time.
async fn commands(global: &GlobalArgs, config: &Config, last: Option<Ipv6Addr>) -> Result<String> {
    let network = Network::open()?;
    refuse_unless_untouched(&Folders::named(ROLE, global), &network, &config.interface).await?;
    let endpoint = config.endpoint.resolve().await?;
    let link_mtu = network.route_to(endpoint.ip()).await?.map(|way| way.mtu);
    let observed = network.observe(&[]).await?;
    let tunnel = Tunnel {
        down: None,
        interface: &config.interface,
        address: config.address.or(last).unwrap_or(UNKNOWN),
        former: &[],
        mtu: route_plan::mtu_ceiling(link_mtu, endpoint.ip(), config.mtu),
        around: route_plan::way_around(endpoint.ip(), &observed, &config.interface),
        windows: &config.windows,
    };
    let desired = tunnel.requirements()?;
    let changes = plan(&desired, &network.observe(&desired).await?);
    let mut text = format!("ip tuntap add dev {} mode tun\n", config.interface);
    for change in changes {
        text += &change.to_string().replace(&UNKNOWN.to_string(), "<leased address>");
        text.push('\n');
    }
    Ok(text)
}
