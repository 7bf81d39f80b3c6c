//! `v6tun-server up`: prepares the host, serves, and restores the host.

mod dry_run;
mod serve;

use crate::args::{GlobalArgs, UpArgs};
use crate::config::Config;
use crate::control::{Control, ControlResponse};
use crate::event_loop::EventLoop;
use crate::folders::{Folders, config_path};
use crate::lending::Lending;
use crate::status::Identity;
use crate::uplink::Uplink;
use crate::{undo, uplink_guard, uplink_plan};
use anyhow::{Context, Result};
use serve::{Server, Stopped};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};
use tracing::error;
use v6tun_cli::{Failure, hinted};
use v6tun_host::instance_lock::{InstanceLock, LockError};
use v6tun_host::network::Network;
use v6tun_host::privilege::{PrivilegeError, require_net_admin};
use v6tun_host::signal::StopSignals;
use v6tun_host::tun::{Tun, TunError};
use v6tun_host::udp::{BindError, UdpSocket};
use v6tun_proto::lease::{self, Wanted};
use v6tun_proto::{ClientEntry, ServerConfig, ServerTunnel};

/// What keeps an idle tunnel open through NATs: WireGuard's customary answer to the many that forget a
/// flow sooner than the two minutes of RFC 4787, section 4.3.
const KEEPALIVE: Duration = Duration::from_secs(25);

pub(crate) async fn run(global: &GlobalArgs, args: &UpArgs) -> Result<()> {
    let config = Config::load(&config_path(global)?)?;
    let addresses = assign(&config)?;
    if args.dry_run {
        return dry_run::run(global, &config, &addresses).await;
    }
    require_net_admin().map_err(hinted(PrivilegeError::hint))?;
    let folders = Folders::ensure(global)?;
    let lock = InstanceLock::acquire(&folders.lock).map_err(hinted(LockError::hint))?;
    // Armed before the first change: an early signal must not leave one behind.
    let mut signals = StopSignals::listen().context("listen for signals")?;
    let network = Network::open()?;
    undo::leftovers(&network, &folders.journal).await?;
    let uplink = Uplink::find(&network, config.uplink.as_deref()).await?;
    uplink_guard::check(&config, &uplink)?;
    let socket = UdpSocket::bind_any(config.listen_port).map_err(hinted(BindError::hint))?;
    let tun = Tun::create(&config.interface).map_err(hinted(TunError::hint))?;
    let mut control = Control::open(&folders.control_socket, &lock)?;

    let mut lending = Lending::new(&network, undo::open_journal(&folders.journal)?, &config, &uplink);
    let served = async {
        lending.reconcile().await?;
        let (event_loop, events) = EventLoop::start(tunnel(&config, &uplink, addresses), tun, socket)?;
        let identity = identity(&config, &uplink);
        let server = Server { lending: &mut lending, event_loop, events, control: &mut control, identity };
        server.serve(&mut signals).await
    }
    .await;
    let restored = undo::everything(&network, lending.journal).await;
    end(served, restored, control).await
}

/// Answers a `down` that waits, and says how it all ended. The tun lives until here: its routes were taken
/// away by name, not by its death.
async fn end(served: Result<Stopped>, restored: Result<()>, control: Control) -> Result<()> {
    let outcome = match served {
        Ok(stopped) => {
            let response = match &restored {
                Ok(()) => ControlResponse::Down,
                Err(error) => ControlResponse::Failed(format!("{error:#}")),
            };
            stopped.answer(response);
            restored
        }
        Err(failure) => {
            if let Err(unrestored) = restored {
                error!("{unrestored:#}");
            }
            Err(failure)
        }
    };
    control.close().await?;
    outcome
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

fn tunnel(config: &Config, uplink: &Uplink, addresses: Vec<Ipv6Addr>) -> ServerTunnel {
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
        version: version(),
        // The standard library's hasher keys are random; the seed spreads retries and needs no more.
        seed: RandomState::new().build_hasher().finish(),
    };
    ServerTunnel::new(config, Instant::now())
}

fn identity(config: &Config, uplink: &Uplink) -> Identity {
    Identity {
        interface: config.interface.clone(),
        public_key: config.private_key.public_key(),
        listen_port: config.listen_port,
        uplink: uplink.link.name.clone(),
    }
}

fn version() -> (u16, u16, u16) {
    let part = |text: &str| text.parse().unwrap_or(0);
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    (part(major), part(minor), part(env!("CARGO_PKG_VERSION_PATCH")))
}
