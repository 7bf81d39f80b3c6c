//! `v6tun-server up`: prepares the host, serves, and restores the host.

mod dry_run;
mod serve;

use crate::ROLE;
use crate::config::Config;
use crate::lending::Lending;
use crate::status::{Identity, Status};
use crate::uplink::Uplink;
use crate::{uplink_guard, uplink_plan};
use anyhow::{Context, Result};
use serve::Server;
use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::time::Instant;
use v6tun_host::privilege::require_net_admin;
use v6tun_host::tun::Tun;
use v6tun_host::udp::UdpSocket;
use v6tun_proto::{ClientEntry, ServerConfig, ServerTunnel, VERSION};
use v6tun_wire::{EventLoop, GlobalArgs, Host, KEEPALIVE, OrFail, UpArgs};

pub(crate) async fn run(global: &GlobalArgs, args: &UpArgs) -> Result<()> {
    if !args.dry_run {
        require_net_admin().or_failed()?;
    }
    let config = Config::load(&ROLE.config_path(global)?)?;
    if args.dry_run {
        return dry_run::run(global, &config).await;
    }
    v6tun_wire::up(ROLE, global, async |host: Host<'_, Status>| serve_until_stopped(&config, host).await)
        .await
}

/// From the first look at the host to the last datagram.
async fn serve_until_stopped(config: &Config, host: Host<'_, Status>) -> Result<()> {
    let Host { network, journal, operator, tun: served } = host;
    let uplink = Uplink::find(network, config.uplink.as_deref()).await?;
    uplink_guard::check(config, &uplink)?;
    let addresses = addresses(config, &uplink)?;
    let socket = UdpSocket::bind_any(config.listen_port).or_failed()?;
    let tun = Tun::create(&config.interface).or_failed()?;
    let mut lending = Lending::new(network, journal, config, &uplink);
    lending.prepare().await.context("cannot prepare the host")?;
    let (event_loop, events) = EventLoop::start(tunnel(config, addresses, &uplink)?, tun, socket)?;
    let server = Server { lending, event_loop, events, identity: identity(config, &uplink) };
    *served = Some(server.serve(operator).await?);
    Ok(())
}

/// What each client of the file is lent, in its order.
fn addresses(config: &Config, uplink: &Uplink) -> Result<Vec<Ipv6Addr>> {
    config.assign(&config.wanted(&HashMap::new()), &uplink_guard::unusable(config, uplink))
}

fn tunnel(config: &Config, addresses: Vec<Ipv6Addr>, uplink: &Uplink) -> Result<ServerTunnel> {
    let clients = config.clients.iter().zip(addresses).map(|(client, address)| ClientEntry {
        name: client.name.clone(),
        public_key: client.public_key,
        preshared_key: client.preshared_key.clone(),
        address,
    });
    let config = ServerConfig {
        private_key: config.private_key.clone(),
        clients: clients.collect(),
        invitations: Vec::new(),
        mtu_ceiling: uplink_plan::mtu_ceiling(config, uplink),
        keepalive: KEEPALIVE,
        version: VERSION,
        seed: getrandom::u64().context("cannot get random numbers")?,
    };
    Ok(ServerTunnel::new(config, Instant::now()))
}

fn identity(config: &Config, uplink: &Uplink) -> Identity {
    Identity {
        interface: config.interface.clone(),
        public_key: config.private_key.public_key(),
        listen_port: config.listen_port,
        uplink: uplink.link.name.clone(),
    }
}
