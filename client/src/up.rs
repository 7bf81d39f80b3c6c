//! `v6tun-client up`: connects, keeps this PC's IPv6 as the server leases it, and restores this PC at the end.

mod dry_run;
mod reachability;
mod renewal;
mod session;
mod surroundings;
mod way;

use std::{io, time::Instant};

use anyhow::{Context, Result};
use tracing::{info, warn};
use v6tun_cli::Failure;
use v6tun_host::{
    privilege::{self, PrivilegeError},
    tun::Tun,
    udp::UdpSocket,
};
use v6tun_proto::{ClientConfig, ClientTunnel, Purpose};
use v6tun_wire::{EventLoop, GlobalArgs, Host, KEEPALIVE, OrFail};

use self::{
    renewal::Renewal,
    session::{Ended, Session, Start},
    surroundings::Surroundings,
    way::{Lookup, Way},
};
use crate::{
    ROLE,
    args::UpArgs,
    config::{self, Config},
    enrolment::{self, Typed},
    interruption::unless_stopped,
    patience::Patience,
    route_plan, service,
    state_file::StateFile,
    status::Status,
};

pub(crate) async fn run(global: &GlobalArgs, args: &UpArgs) -> Result<()> {
    let patience = Patience::start(args.wait);
    let invitation = args.invitation.as_ref().map(Typed::read).transpose()?;
    if args.common.dry_run {
        return dry_run::run(global, invitation.as_ref()).await;
    }
    require_privilege(invitation.is_some())?;
    // What is written already is checked before anything is done.
    let path = if invitation.is_some() { config::path(global) } else { config::existing_path(global)? };
    let written = if invitation.is_some() { None } else { Some(Config::load(&path)?) };
    v6tun_wire::up(ROLE, global, async |host: Host<'_, Status>| {
        if let Some(invitation) = &invitation
            && enrolment::run(invitation, &path, host.operator, patience).await?.is_none()
        {
            return Ok(());
        }
        let config = written.map_or_else(|| Config::load(&path), Ok)?;
        let state_file = StateFile::read(StateFile::path(global), &config);
        connect_until_stopped(&config, state_file, patience, host).await
    })
    .await
    .map_err(|error| service::name_holder(error, global))
}

/// The usual hint repeats the command line, where an invitation is not to be shown.
fn require_privilege(is_invited: bool) -> Result<()> {
    match privilege::require_net_admin() {
        Err(error @ PrivilegeError::Missing) if is_invited => {
            let hint = format!("{} reads the invitation from standard input", ROLE.command("up -"));
            Err(Failure::failed(error.to_string()).with_hint(hint).into())
        }
        outcome => outcome.or_failed(),
    }
}

/// From the look-up of the server to the last datagram.
async fn connect_until_stopped(
    config: &Config,
    state_file: StateFile,
    patience: Patience,
    host: Host<'_, Status>,
) -> Result<()> {
    let Host { network, journal, operator, tun: served, .. } = host;
    let mut lookup = Lookup::default();
    let last = state_file.endpoint(config);
    let Some(endpoint) = way::find(config, last, &mut lookup, operator, patience).await? else {
        return Ok(());
    };
    let way = network.route_to(endpoint.ip()).await?;
    let mtu_ceiling = route_plan::mtu_ceiling(way.as_ref().map(|way| way.mtu), endpoint.ip(), config.mtu);
    let surroundings = Surroundings::watch(way);
    let way = Way { endpoint, mtu_ceiling };
    let mut renewal = Renewal::default();
    let mut start = Start { way, state_file, lookup, patience, surroundings };
    let mut tun = Tun::create(&config.interface).or_failed()?;
    loop {
        let socket = UdpSocket::bind_any(0).or_failed()?;
        let data_path = EventLoop::start(tunnel(config, start.way)?, tun, socket)?;
        let mut session = Session::new(config, start, network, journal, data_path);
        service::tell_ready();
        let ran = session.run(operator).await;
        if let Ok(Ended::Stopped) = ran {
            info!("disconnecting");
        }
        let (ended, again) = session.stop().await;
        match (ran, ended) {
            (ran, Ok(tun)) => {
                *served = Some(tun);
                return ran.map(drop);
            }
            (Ok(Ended::Broken), Err(failure)) if is_tun_gone(&failure) => {
                warn!("{failure:#}; it is made anew");
                let anew = renewal.make(&config.interface);
                let Some(made) = unless_stopped(operator, "making its tun device anew", anew).await else {
                    return Ok(());
                };
                (tun, start) = (made, again);
            }
            (ran, Err(failure)) => return ran.and(Err(failure)),
        }
    }
}

/// Whether somebody has taken the device away: its driver was removed or renewed, or it was deleted.
fn is_tun_gone(failure: &anyhow::Error) -> bool {
    failure.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn tunnel(config: &Config, way: Way) -> Result<ClientTunnel> {
    let config = ClientConfig {
        private_key: config.private_key.clone(),
        server: config.server,
        preshared_key: config.preshared_key.clone(),
        endpoint: way.endpoint,
        address: config.address,
        keepalive: KEEPALIVE,
        own_keepalive: config.keepalive,
        mtu_ceiling: way.mtu_ceiling,
        seed: getrandom::u64().context("cannot get random numbers")?,
        purpose: Purpose::Lease,
    };
    Ok(ClientTunnel::new(config, Instant::now()))
}
