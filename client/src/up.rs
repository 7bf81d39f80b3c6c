//! `v6tun-client up`: connects, keeps this PC's IPv6 as the server leases it, and restores this PC at the end.

mod dry_run;
mod session;
mod spoken;

use std::{net::SocketAddr, time::Instant};

use anyhow::{Context, Result};
use tracing::info;
use v6tun_host::{privilege, tun::Tun, udp::UdpSocket};
use v6tun_proto::{ClientConfig, ClientTunnel, Purpose};
use v6tun_wire::{EventLoop, GlobalArgs, Host, KEEPALIVE, Operator, OrFail, Response, UpArgs, Wish};

use self::session::{Session, Way};
use crate::{ROLE, config::Config, endpoint::Endpoint, route_plan, status::Status};

pub(crate) async fn run(global: &GlobalArgs, args: &UpArgs) -> Result<()> {
    let path = ROLE.config_path(global)?;
    if args.dry_run {
        return dry_run::run(global, &Config::load(&path)?).await;
    }
    privilege::require_net_admin().or_failed()?;
    let config = Config::load(&path)?;
    v6tun_wire::up(ROLE, global, async |host: Host<'_, Status>| connect_until_stopped(&config, host).await)
        .await
}

/// From the look-up of the server to the last datagram.
async fn connect_until_stopped(config: &Config, host: Host<'_, Status>) -> Result<()> {
    let Host { network, journal, operator, tun: served } = host;
    let Some(endpoint) = resolve(&config.endpoint, operator).await? else { return Ok(()) };
    let socket = UdpSocket::bind_any(0).or_failed()?;
    let link_mtu = network.route_to(endpoint.ip()).await?.map(|way| way.mtu);
    let mtu_ceiling = route_plan::mtu_ceiling(link_mtu, endpoint.ip(), config.mtu);
    let way = Way { endpoint, mtu_ceiling };
    let tun = Tun::create(&config.interface).or_failed()?;
    let (event_loop, events) = EventLoop::start(tunnel(config, way)?, tun, socket)?;
    let mut session = Session::new(config, way, network, journal, event_loop, events);
    let ran = session.run(operator).await;
    if ran.is_ok() {
        info!("disconnecting");
    }
    match session.stop().await {
        Ok(tun) => *served = Some(tun),
        Err(failure) => return ran.and(Err(failure)),
    }
    ran
}

/// The server's address; `None` if the operator wanted the end before it was known.
async fn resolve(endpoint: &Endpoint, operator: &mut Operator<Status>) -> Result<Option<SocketAddr>> {
    let lookup = endpoint.resolve();
    tokio::pin!(lookup);
    loop {
        tokio::select! {
            found = &mut lookup => return found.map(Some),
            wish = operator.next() => match wish {
                Wish::Stop => return Ok(None),
                Wish::Status(reply) => {
                    // Whoever asked may have gone: then nobody misses the answer.
                    let _unasked = reply.send(Response::Failed(format!("it is still looking up {endpoint}")));
                }
                Wish::Order(order, _) => match order {},
            }
        }
    }
}

fn tunnel(config: &Config, way: Way) -> Result<ClientTunnel> {
    let config = ClientConfig {
        private_key: config.private_key.clone(),
        server: config.server,
        preshared_key: config.preshared_key.clone(),
        endpoint: way.endpoint,
        address: config.address,
        keepalive: KEEPALIVE,
        mtu_ceiling: way.mtu_ceiling,
        seed: getrandom::u64().context("cannot get random numbers")?,
        purpose: Purpose::Lease,
    };
    Ok(ClientTunnel::new(config, Instant::now()))
}
