//! The client while it runs: what the tunnel tells, what the operator wants, and this PC kept as it must be.

use std::{
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, interval},
};
use tracing::{info, warn};
use v6tun_cli::Failure;
use v6tun_host::{
    network::{Journal, Network, carry_out, plan},
    tun::Tun,
};
use v6tun_proto::{ClientEvent, ClientTunnel, Lease};
use v6tun_wire::{EventLoop, Operator, Reply, Response, Wish};

use super::spoken;
use crate::{
    config::Config,
    endpoint::Endpoint,
    route_plan::{self, Tunnel},
    status::{Identity, Status},
};

/// How often this PC is looked at, and repaired where somebody has changed it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How often the name of a server that does not answer is looked up again.
const LOOKUP_AGAIN: Duration = Duration::from_secs(30);

/// Addresses held before that are remembered, to be taken off the tun: a server changes them rarely.
const MAX_FORMER: usize = 16;

/// The way to the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Where the server is.
    pub(super) endpoint: SocketAddr,
    /// The largest inner packet that fits, in bytes.
    pub(super) mtu_ceiling: u16,
}

/// A tunnel and the PC that it belongs to.
pub(super) struct Session<'a> {
    config: &'a Config,
    identity: Identity,
    network: &'a Network,
    journal: &'a mut Journal,
    event_loop: EventLoop<ClientTunnel>,
    events: mpsc::Receiver<ClientEvent>,
    way: Way,
    lease: Option<Lease>,
    former: Vec<Ipv6Addr>,
    /// The server does not answer.
    is_silent: bool,
    lookup: JoinSet<Result<SocketAddr>>,
    next_lookup: Instant,
    ticks: Interval,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        config: &'a Config,
        way: Way,
        network: &'a Network,
        journal: &'a mut Journal,
        event_loop: EventLoop<ClientTunnel>,
        events: mpsc::Receiver<ClientEvent>,
    ) -> Self {
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            config,
            identity: Identity {
                interface: config.interface.clone(),
                public_key: config.private_key.public_key(),
                server: config.server,
            },
            network,
            journal,
            event_loop,
            events,
            way,
            lease: None,
            former: Vec::new(),
            is_silent: false,
            lookup: JoinSet::new(),
            next_lookup: Instant::now(),
            ticks,
        }
    }

    /// Runs until the operator wants the end, or the data path has ended; [`stop`](Self::stop) tells why.
    pub(super) async fn run(&mut self, operator: &mut Operator<Status>) -> Result<()> {
        loop {
            tokio::select! {
                wish = operator.next() => match wish {
                    Wish::Stop => return Ok(()),
                    Wish::Status(reply) => self.tell_status(reply).await,
                    Wish::Order(order, _) => match order {},
                },
                event = self.events.recv() => match event {
                    Some(event) => self.handle_event(event).await?,
                    None => return Ok(()),
                },
                Some(found) = self.lookup.join_next() => self.handle_lookup(found).await,
                _ = self.ticks.tick() => self.look_again().await,
            }
        }
    }

    /// Says bye to the server, ends the data path and gives the tun back.
    pub(super) async fn stop(self) -> Result<Tun> {
        self.event_loop.stop().await
    }

    async fn handle_event(&mut self, event: ClientEvent) -> Result<()> {
        match event {
            ClientEvent::LeaseGranted(lease) => {
                self.lease = Some(lease);
                self.reconcile().await.context(Failure::failed("cannot configure this PC"))?;
            }
            ClientEvent::LeaseChanged { old, new } => self.change_lease(old, new).await,
            ClientEvent::LeaseRefused { reason } => {
                spoken::complain(&spoken::refused(reason), spoken::refused_hint(reason));
            }
            ClientEvent::Connected { rtt } => {
                self.is_silent = false;
                if let Some(lease) = self.lease {
                    spoken::say(&spoken::up(lease.address, self.way.endpoint, rtt));
                }
            }
            ClientEvent::Lost { reason } => {
                self.is_silent = true;
                spoken::say(&spoken::lost(self.way.endpoint, reason));
            }
            ClientEvent::Returned { rtt, outage } => {
                self.is_silent = false;
                spoken::say(&spoken::back(outage, rtt));
            }
            ClientEvent::NoAnswer { after, is_refused } => {
                self.is_silent = true;
                self.complain(after, is_refused).await;
            }
            ClientEvent::ServerBye => info!("the server said bye"),
            // Said only to those who come for that.
            ClientEvent::Answered | ClientEvent::Enrolled { .. } | ClientEvent::EnrolRefused { .. } => {}
            ClientEvent::EndpointMoved { from, to } => {
                info!(%from, %to, "the server's endpoint moved");
                self.way.endpoint = to;
                self.repair().await;
            }
        }
        Ok(())
    }

    /// Names the likely causes of a server that does not connect.
    async fn complain(&self, after: Duration, is_refused: bool) {
        let endpoint = self.way.endpoint;
        if is_refused {
            spoken::complain(&spoken::keys_differ(endpoint), spoken::KEYS_DIFFER_HINT);
        } else if matches!(self.network.route_to(endpoint.ip()).await, Ok(None)) {
            spoken::complain(&spoken::no_route(endpoint), &spoken::no_route_hint(endpoint));
        } else {
            let hint = spoken::no_answer_hint(self.identity.public_key);
            spoken::complain(&spoken::no_answer(endpoint, after), &hint);
        }
    }

    async fn change_lease(&mut self, old: Ipv6Addr, new: Lease) {
        self.lease = Some(new);
        if old != new.address {
            spoken::say(&spoken::changed(old, new.address));
            if !self.former.contains(&old) && self.former.len() < MAX_FORMER {
                self.former.push(old);
            }
        }
        self.repair().await;
    }

    /// Makes this PC what the lease wants. What is so already is left alone.
    async fn reconcile(&mut self) -> Result<()> {
        let Some(lease) = self.lease else { return Ok(()) };
        let routes = self.network.observe(&[]).await?.routes;
        let tunnel = Tunnel {
            interface: &self.config.interface,
            address: lease.address,
            former: &self.former,
            mtu: self.mtu_of(&lease),
            around: route_plan::way_around(self.way.endpoint.ip(), &routes, &self.config.interface),
        };
        let desired = tunnel.requirements()?;
        let changes = plan(&desired, &self.network.observe(&desired).await?);
        Ok(carry_out(self.network, self.journal, changes).await?)
    }

    /// As [`reconcile`](Self::reconcile), for a tunnel that is up: a failure is told, and tried again soon.
    async fn repair(&mut self) {
        if let Err(error) = self.reconcile().await {
            warn!("{error:#}; trying again in {} s", LOOK_AGAIN.as_secs());
        }
    }

    fn mtu_of(&self, lease: &Lease) -> u16 {
        lease.mtu.min(self.way.mtu_ceiling).max(route_plan::MIN_MTU)
    }

    async fn look_again(&mut self) {
        self.repair().await;
        let is_name = matches!(self.config.endpoint, Endpoint::Name { .. });
        if self.is_silent && is_name && self.lookup.is_empty() && Instant::now() >= self.next_lookup {
            self.next_lookup = Instant::now() + LOOKUP_AGAIN;
            let endpoint = self.config.endpoint.clone();
            self.lookup.spawn(async move { endpoint.resolve().await });
        }
    }

    async fn handle_lookup(&mut self, found: Result<Result<SocketAddr>, JoinError>) {
        let found = match found.map_err(anyhow::Error::from).flatten() {
            Ok(found) => found,
            Err(error) => {
                info!("{error:#}");
                return;
            }
        };
        if found == self.way.endpoint || !self.is_silent {
            return;
        }
        info!(from = %self.way.endpoint, to = %found, "the server's name has another address");
        // The way around the tunnel is there before the first datagram takes it.
        self.way.endpoint = found;
        self.repair().await;
        if let Err(error) = self.event_loop.order(move |tunnel, _, now| tunnel.set_endpoint(found, now)) {
            warn!("{error:#}");
        }
    }

    async fn tell_status(&self, reply: Reply<Status>) {
        let mtu = self.lease.as_ref().map(|lease| self.mtu_of(lease));
        let response = match self.event_loop.figures().await {
            Ok(figures) => Response::Status(Status::new(&self.identity, mtu, figures)),
            Err(error) => Response::Failed(format!("{error:#}")),
        };
        // Whoever asked may have gone: then nobody misses the answer.
        let _unasked = reply.send(response);
    }
}
