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
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};
use tracing::error;
use v6tun_cli::Failure;
use v6tun_host::network::{Journal, Network};
use v6tun_host::privilege::require_net_admin;
use v6tun_host::tun::Tun;
use v6tun_host::udp::UdpSocket;
use v6tun_proto::lease::{self, Wanted};
use v6tun_proto::{ClientEntry, ServerConfig, ServerTunnel, VERSION};
use v6tun_wire::{
    EventLoop, Folders, GlobalArgs, Locks, Operator, OrFail, UpArgs, open_journal, restore, restore_leftovers,
};

/// What keeps an idle tunnel open through NATs: WireGuard's customary answer to the many that forget a
/// flow sooner than the two minutes of RFC 4787, section 4.3.
const KEEPALIVE: Duration = Duration::from_secs(25);

pub(crate) async fn run(global: &GlobalArgs, args: &UpArgs) -> Result<()> {
    if !args.dry_run {
        require_net_admin().or_failed()?;
    }
    let config = Config::load(&ROLE.config_path(global)?)?;
    let addresses = assign(&config)?;
    if args.dry_run {
        return dry_run::run(global, &config, &addresses).await;
    }
    let folders = Folders::ensure(ROLE, global)?;
    let locks = Locks::acquire(&folders)?;
    let network = Network::open()?;
    let mut operator = Operator::listen(&folders, &locks)?;
    restore_leftovers(ROLE, &network, &folders.journal).await?;

    let mut journal = open_journal(&folders.journal)?;
    let mut tun = None;
    let ran = run_server(&config, addresses, &network, &mut journal, &mut operator, &mut tun).await;
    let restored = restore(ROLE, &network, journal).await;
    // Only here the tun goes: its routes were taken away by name, not by its death.
    drop(tun);
    operator.answer(&restored).await;
    match (ran, restored) {
        (Ok(()), restored) => restored,
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(unrestored)) => {
            error!("{unrestored:#}");
            Err(failure)
        }
    }
}

/// From the first look at the host to the last datagram. `ended` keeps the tun until the host is restored.
async fn run_server(
    config: &Config,
    addresses: Vec<Ipv6Addr>,
    network: &Network,
    journal: &mut Journal,
    operator: &mut Operator<Status>,
    ended: &mut Option<Tun>,
) -> Result<()> {
    let uplink = Uplink::find(network, config.uplink.as_deref()).await?;
    uplink_guard::check(config, &uplink)?;
    let socket = UdpSocket::bind_any(config.listen_port).or_failed()?;
    let tun = Tun::create(&config.interface).or_failed()?;
    let mut lending = Lending::new(network, journal, config, &uplink);
    lending.reconcile().await.context("cannot prepare the host")?;
    let (event_loop, events) = EventLoop::start(tunnel(config, &uplink, addresses)?, tun, socket)?;
    let server = Server { lending, event_loop, events, identity: identity(config, &uplink) };
    *ended = Some(server.serve(operator).await?);
    Ok(())
}

/// Addresses in the clients' order; the same file always gives the same ones.
fn assign(config: &Config) -> Result<Vec<Ipv6Addr>> {
    let wanted: Vec<Wanted<'_>> =
        config.clients.iter().map(|client| Wanted { name: &client.name, fixed: client.address }).collect();
    lease::assign(&config.pool, &wanted).map_err(|error| {
        Failure::usage(error.to_string())
            .with_hint("[pool] addresses needs one for each [[client]] without an address of its own")
            .into()
    })
}

fn tunnel(config: &Config, uplink: &Uplink, addresses: Vec<Ipv6Addr>) -> Result<ServerTunnel> {
    let clients = config.clients.iter().zip(addresses);
    let clients = clients.map(|(client, address)| ClientEntry {
        name: client.name.clone(),
        public_key: client.public_key,
        preshared_key: client.preshared_key.clone(),
        address,
    });
    let config = ServerConfig {
        private_key: config.private_key.clone(),
        clients: clients.collect(),
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
