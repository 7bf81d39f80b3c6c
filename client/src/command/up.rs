//! `v6tun-client up`: connects, keeps this PC's IPv6 as the server leases it, and restores this PC at the end.

mod dry_run;
mod operator;
mod session;
mod spoken;

use std::{net::SocketAddr, path::Path, time::Instant};

use anyhow::{Context, Result};
use tracing::{error, info};
use v6tun_cli::Failure;
use v6tun_host::{
    control_socket::ControlSocket,
    instance_lock::InstanceLock,
    network::{self, Identity, Journal, Network},
    privilege,
    signal::StopSignals,
    tun::Tun,
    udp::UdpSocket,
};
use v6tun_proto::{ClientConfig, ClientTunnel};

use self::{
    operator::{Operator, Wish},
    session::{Session, Way},
};
use super::Response;
use crate::{
    args::{GlobalArgs, UpArgs},
    config::Config,
    endpoint::Endpoint,
    event_loop::EventLoop,
    folders::{Folders, config_path},
    hinted::OrFail,
    route_plan,
};

pub(crate) async fn run(global: &GlobalArgs, args: &UpArgs) -> Result<()> {
    let path = config_path(global)?;
    if args.dry_run {
        return dry_run::run(&Config::load(&path)?).await;
    }
    privilege::require_net_admin().or_failed()?;
    let config = Config::load(&path)?;
    let folders = Folders::ensure(global)?;
    let lock = InstanceLock::acquire(&folders.lock).or_failed()?;
    // Armed before the first change: an early signal must not leave one behind.
    let signals = StopSignals::listen().context("cannot listen for signals")?;
    let network = Network::open()?;
    restore(&network, &folders.journal).await?;
    let control = ControlSocket::bind(&folders.control_socket, &lock).or_failed()?;
    let mut operator = Operator::new(signals, control);

    let outcome = connect(&config, &network, &folders.journal, &mut operator).await;
    let restored = outcome.restored;
    operator.answer(&restored).await;
    match (outcome.ran, restored) {
        (Ok(()), restored) => restored,
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(unrestored)) => {
            error!("{unrestored:#}");
            Err(failure)
        }
    }
}

/// How a run ended, and whether this PC is as it was found.
struct Outcome {
    ran: Result<()>,
    restored: Result<()>,
}

async fn connect(config: &Config, network: &Network, journal: &Path, operator: &mut Operator) -> Outcome {
    let mut tun = None;
    let ran = run_session(config, network, journal, operator, &mut tun).await;
    let restored = restore(network, journal).await;
    // Only here the tun goes: what stood on it was taken away, not lost with it.
    drop(tun);
    Outcome { ran, restored }
}

/// From the look-up of the server to the last datagram. `ended` keeps the tun until this PC is restored.
async fn run_session(
    config: &Config,
    network: &Network,
    journal: &Path,
    operator: &mut Operator,
    ended: &mut Option<Tun>,
) -> Result<()> {
    let Some(endpoint) = resolve(&config.endpoint, operator).await? else { return Ok(()) };
    let socket = UdpSocket::bind_any(0).or_failed()?;
    let link_mtu = network.route_to(endpoint.ip()).await?.map(|way| way.mtu);
    let mtu_ceiling = route_plan::mtu_ceiling(link_mtu, endpoint.ip(), config.mtu);
    let way = Way { endpoint, mtu_ceiling };
    let tun = Tun::create(&config.interface).or_failed()?;
    let (event_loop, events) = EventLoop::start(tunnel(config, way)?, tun, socket)?;
    let journal = open_journal(journal)?;
    let mut session = Session::new(config, way, network, journal, event_loop, events);
    let ran = session.run(operator).await;
    if ran.is_ok() {
        info!("disconnecting");
    }
    let stopped = session.stop().await;
    ran?;
    *ended = Some(stopped?);
    Ok(())
}

/// The server's address; `None` if the operator wanted the end before it was known.
async fn resolve(endpoint: &Endpoint, operator: &mut Operator) -> Result<Option<SocketAddr>> {
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
        keepalive: session::KEEPALIVE,
        mtu_ceiling: way.mtu_ceiling,
        seed: getrandom::u64().context("cannot get random numbers")?,
    };
    Ok(ClientTunnel::new(config, Instant::now()))
}

/// Undoes what the journal says; without a journal, nothing.
pub(super) async fn restore(network: &Network, journal: &Path) -> Result<()> {
    let journal = open_journal(journal)?;
    if journal.is_empty() {
        return journal.remove().or_failed();
    }
    info!("restoring this PC");
    let notes = network::restore(network, journal).await.context(
        Failure::failed("cannot restore this PC").with_hint("`sudo v6tun-client down` tries again"),
    )?;
    for note in notes {
        info!("{note}");
    }
    Ok(())
}

fn open_journal(path: &Path) -> Result<Journal> {
    let identity = Identity::current().context("cannot tell the boot and the network namespace")?;
    Journal::open(path, identity).or_failed()
}
