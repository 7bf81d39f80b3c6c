//! `v6tun-server up`: prepares the host, serves, and restores the host.

mod come_back;
mod dry_run;
mod hand_over;
mod leases;
mod orders;
mod reachability;
mod renumber;
mod serve;
mod welcome;

use crate::ROLE;
use crate::args::UpArgs;
use crate::config::Config;
use crate::conflicts::Conflicts;
use crate::init::ensure_config;
use crate::lending::Lending;
use crate::probes::Probes;
use crate::roster::Roster;
use crate::state::StateStore;
use crate::status::{Identity, Status};
use crate::uplink::Uplink;
use crate::uplink_guard::{self, Unlendable};
use crate::uplink_plan;
use anyhow::{Context, Result};
use come_back::ComeBack;
use reachability::Reachability;
use renumber::Successor;
use serve::Server;
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::time::Instant;
use tracing::warn;
use v6tun_host::network::AddressWatch;
use v6tun_host::privilege::require_net_admin;
use v6tun_host::udp::UdpSocket;
use v6tun_proto::{ServerConfig, ServerTunnel, VERSION};
use v6tun_wire::{EventLoop, GlobalArgs, Host, KEEPALIVE, OrFail};

pub(crate) async fn run(global: &GlobalArgs, args: &UpArgs) -> Result<()> {
    let dry_run = args.common.dry_run;
    if !dry_run {
        require_net_admin().or_failed()?;
    }
    let config = ensure_config(global, args.endpoint.as_ref(), dry_run).await;
    let mut config = match config {
        Err(error) if !dry_run => return Err(v6tun_wire::decline(ROLE, global, error).await),
        config => config?,
    };
    if dry_run {
        return dry_run::run(global, config).await;
    }
    let state_dir = &global.state_dir;
    v6tun_wire::up(ROLE, global, async |host: Host<'_, Status>| {
        serve_until_stopped(&mut config, state_dir, !args.no_safety, host).await
    })
    .await
}

/// From the first look at the host to the last datagram.
async fn serve_until_stopped(
    config: &mut Config,
    state_dir: &Path,
    is_safe: bool,
    host: Host<'_, Status>,
) -> Result<()> {
    let Host { network, journal, operator, tun: served, is_left } = host;
    let uplink = Uplink::find_as_found(network, journal, config.uplink.as_deref()).await?;
    config.follow(&StateStore::peek(state_dir).or_failed()?, Some(&uplink));
    let config = &*config;
    if let Some(followed) = config.followed() {
        warn!("{followed}");
    }
    uplink_guard::check(config, &uplink)?;
    let socket = UdpSocket::bind_any(config.listen_port).or_failed()?;
    let (tun, goes_on) = hand_over::open_tun(network, journal, config, &uplink).await?;
    // A server that cannot serve remembers nothing of it.
    let roster = Roster::open(config, state_dir, Unlendable::of(&config.named(), &uplink)?)?;
    // Before the first look that is acted on, so that nothing is missed in between.
    let watch = AddressWatch::open()?;
    let mut lending = Lending::new(network, journal, config, &uplink, roster.guarded())?;
    if goes_on {
        lending.go_on(|address| roster.holder_of(address).is_some()).await?;
    }
    lending.prepare().await.context("cannot prepare the host")?;
    let (event_loop, events) = EventLoop::start(tunnel(config, &roster, &uplink)?, tun, socket)?;
    let mut server = Server {
        lending,
        roster,
        probes: Probes::default(),
        conflicts: Conflicts::default(),
        watch,
        event_loop,
        events,
        identity: identity(config, &uplink),
        is_deaf: Cell::new(false),
        waiting: VecDeque::new(),
        unlent: HashMap::new(),
        successor: Successor::default(),
        reachability: Reachability::default(),
        come_back: if is_safe { ComeBack::arm(&uplink)? } else { None },
    };
    server.announce();
    server.welcome_the_first(config);
    let (tun, is_handed_over) = server.serve(operator).await?;
    (*served, *is_left) = (Some(tun), is_handed_over);
    Ok(())
}

fn tunnel(config: &Config, roster: &Roster<'_>, uplink: &Uplink) -> Result<ServerTunnel> {
    let config = ServerConfig {
        private_key: config.private_key.clone(),
        clients: roster.entries(),
        endpoints: roster.endpoints(),
        invitations: roster.invitations(),
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
