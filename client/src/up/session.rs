//! The client while it runs: what the tunnel tells, what the operator wants, how this PC's network changes, and this PC
//! kept as it must be.

use std::{
    net::{Ipv6Addr, SocketAddr},
    num::NonZeroU16,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};
use tracing::{info, warn};
use v6tun_cli::Failure;
use v6tun_host::{
    network::{Journal, Network, RouteTo, carry_out, plan, release},
    tun::Tun,
};
use v6tun_proto::{ClientEvent, ClientTunnel, InboundResult, Lease, LossReason};
use v6tun_wire::{EventLoop, Operator, Reply, Response, Wish};

use super::{
    reachability::{InboundTest, send_from_new_port},
    surroundings::Surroundings,
    way::{Lookup, Way},
};
use crate::{
    config::Config,
    order::Order,
    patience::Patience,
    route_plan::{self, Tunnel},
    spoken,
    state_file::StateFile,
    status::{Identity, Status},
};

/// How often this PC is looked at, and repaired where somebody has changed it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How often the name of a server that does not answer is looked up again.
const LOOKUP_AGAIN: Duration = Duration::from_secs(15);

/// How long a lost server is waited for before programs are told: one that is started anew is back by then, and a bad line
/// lets one of four tries through.
const LOST_FOR: Duration = Duration::from_secs(2);

/// Addresses held before that are remembered, to be taken off the tun: a server changes them rarely.
const MAX_FORMER: usize = 16;

/// What outlives one start of the data path: what is remembered, looked up and waited for.
pub(super) struct Start {
    pub(super) way: Way,
    pub(super) state_file: StateFile,
    pub(super) lookup: Lookup,
    pub(super) patience: Patience,
    pub(super) surroundings: Surroundings,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The operator wanted it.
    Stopped,
    /// The data path has ended by itself; [`Session::stop`] tells why.
    Broken,
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
    /// What this PC held before this start.
    last: Option<Ipv6Addr>,
    state_file: StateFile,
    lookup: Lookup,
    /// When the server's name is looked up again; `None` while the server answers, and where there is no name.
    next_lookup: Option<Instant>,
    patience: Patience,
    surroundings: Surroundings,
    inbound_test: Option<InboundTest>,
    /// The server has been silent for long enough that programs have to know.
    is_down: bool,
    /// When it will have been.
    down_at: Option<Instant>,
    is_connected: bool,
    ticks: Interval,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        config: &'a Config,
        start: Start,
        network: &'a Network,
        journal: &'a mut Journal,
        (event_loop, events): (EventLoop<ClientTunnel>, mpsc::Receiver<ClientEvent>),
    ) -> Self {
        let Start { way, state_file, lookup, patience, surroundings } = start;
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut session = Self {
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
            last: state_file.address(),
            state_file,
            lookup,
            next_lookup: None,
            patience,
            surroundings,
            inbound_test: None,
            is_down: false,
            down_at: None,
            is_connected: false,
            ticks,
        };
        session.server_is_silent();
        session
    }

    /// Runs until the operator wants the end, or the data path has ended.
    pub(super) async fn run(&mut self, operator: &mut Operator<Status>) -> Result<Ended> {
        loop {
            tokio::select! {
                wish = operator.next() => match wish {
                    Wish::Stop => return Ok(Ended::Stopped),
                    Wish::Status(reply) => self.tell_status(reply).await,
                    Wish::Order(Order::TestInbound { tcp_port }, reply) => self.test_inbound(tcp_port, reply),
                },
                event = self.events.recv() => match event {
                    Some(event) => self.handle_event(event).await?,
                    None => return Ok(Ended::Broken),
                },
                Some(found) = self.lookup.next() => self.handle_lookup(found).await,
                () = due(self.inbound_test.as_ref().map(|test| test.until)) => self.end_inbound_test(None),
                () = due(self.down_at) => self.set_down(true).await,
                () = due(self.next_lookup) => self.look_up_again(),
                () = self.surroundings.changed() => self.look_around().await,
                () = self.patience.over(), if !self.is_connected => return Err(self.patience.failure().into()),
                _ = self.ticks.tick() => self.repair().await,
            }
        }
    }

    /// Says bye to the server, ends the data path and gives the tun back, and what another start begins with.
    pub(super) async fn stop(self) -> (Result<Tun>, Start) {
        let Self { way, state_file, lookup, patience, surroundings, .. } = self;
        let start = Start { way, state_file, lookup, patience, surroundings };
        (self.event_loop.stop().await, start)
    }

    async fn handle_event(&mut self, event: ClientEvent) -> Result<()> {
        match event {
            ClientEvent::LeaseGranted(lease) => {
                self.lease = Some(lease);
                self.reconcile().await.context(Failure::failed("cannot configure this PC"))?;
                self.remember();
            }
            ClientEvent::LeaseChanged { old, new } => self.change_lease(old, new).await,
            ClientEvent::LeaseRefused { reason } => {
                spoken::complain(&spoken::refused(reason), spoken::refused_hint(reason));
            }
            ClientEvent::Connected { rtt } => {
                self.is_connected = true;
                self.next_lookup = None;
                if let Some(lease) = self.lease {
                    spoken::say(&spoken::up(lease.address, self.way.endpoint, rtt, self.last));
                }
            }
            // To stay would leave this PC with an address that leads nowhere.
            ClientEvent::Lost { reason: LossReason::Revoked } => {
                let what = format!("the server {} has revoked this PC", self.way.endpoint);
                return Err(Failure::failed(what).with_hint(spoken::REVOKED_HINT).into());
            }
            ClientEvent::Lost { reason } => {
                self.server_is_silent();
                self.down_at = Some(Instant::now() + LOST_FOR);
                spoken::say(&spoken::lost(self.way.endpoint, reason));
            }
            ClientEvent::Returned { rtt, outage } => {
                self.next_lookup = None;
                self.down_at = None;
                if self.is_down {
                    self.set_down(false).await;
                }
                spoken::say(&spoken::back(outage, rtt));
                self.remember();
            }
            ClientEvent::NoAnswer { after, is_refused } => self.complain(after, is_refused).await,
            ClientEvent::ServerBye => info!("the server said bye"),
            // Said only to those who come for that.
            ClientEvent::Answered | ClientEvent::Enrolled { .. } | ClientEvent::EnrolRefused { .. } => {}
            ClientEvent::InboundTested(result) => self.end_inbound_test(Some(result)),
            ClientEvent::PortTestWanted { to, nonce } => {
                if let Err(error) = send_from_new_port(to, &nonce) {
                    warn!("the server's port {to} cannot be tried: {error}");
                }
            }
            ClientEvent::PathTooSmall => {
                spoken::complain(&spoken::path_too_small(self.way.endpoint), spoken::PATH_TOO_SMALL_HINT);
            }
            ClientEvent::EndpointMoved { from, to } => {
                info!(%from, %to, "the server's endpoint moved");
                self.way.endpoint = to;
                self.repair().await;
                self.remember();
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

    fn test_inbound(&mut self, tcp_port: Option<NonZeroU16>, reply: Reply<Status>) {
        self.end_inbound_test(None);
        self.inbound_test = Some(InboundTest::start(reply));
        let asked =
            self.event_loop.order(move |tunnel, out, now| tunnel.request_inbound_test(tcp_port, out, now));
        if let Err(error) = asked {
            warn!("{error:#}");
        }
    }

    fn end_inbound_test(&mut self, result: Option<InboundResult>) {
        if let Some(test) = self.inbound_test.take() {
            test.end(result);
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
        self.remember();
    }

    /// Something about this PC's network has changed. Where that is the way to the server, a handshake tells it so.
    async fn look_around(&mut self) {
        if let Some(RouteTo { mtu, .. }) = self.surroundings.look(self.network, self.way.endpoint.ip()).await
        {
            self.way.mtu_ceiling =
                route_plan::mtu_ceiling(Some(mtu), self.way.endpoint.ip(), self.config.mtu);
            let ceiling = self.way.mtu_ceiling;
            let told = self.event_loop.order(move |tunnel, _, now| tunnel.handle_link_change(ceiling, now));
            if let Err(error) = told {
                warn!("{error:#}");
            }
        }
        self.repair().await;
    }

    /// Makes this PC what the lease wants. What is so already is left alone.
    async fn reconcile(&mut self) -> Result<()> {
        let Some(lease) = self.lease else { return Ok(()) };
        let observed = self.network.observe(&[]).await?;
        let tunnel = Tunnel {
            down: self.is_down.then_some(self.config.when_down),
            interface: &self.config.interface,
            address: lease.address,
            former: &self.former,
            mtu: self.mtu_of(&lease),
            around: route_plan::way_around(self.way.endpoint.ip(), &observed, &self.config.interface),
            windows: &self.config.windows,
        };
        let desired = tunnel.requirements()?;
        for note in release(self.network, self.journal, |change| tunnel.is_outdated(change)).await? {
            warn!("{note}");
        }
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

    /// Tells this PC's programs that the Internet is out of the tunnel's reach, or is not any more.
    async fn set_down(&mut self, is_down: bool) {
        (self.is_down, self.down_at) = (is_down, None);
        self.repair().await;
    }

    /// The server has proved that it is there.
    fn remember(&mut self) {
        if let Some(lease) = self.lease {
            let mtu = self.mtu_of(&lease);
            self.state_file.remember(self.config, self.way.endpoint, lease.address, mtu);
        }
    }

    fn server_is_silent(&mut self) {
        self.next_lookup = (!self.config.endpoint.is_fixed()).then(|| Instant::now() + LOOKUP_AGAIN);
    }

    fn look_up_again(&mut self) {
        self.server_is_silent();
        self.lookup.start(&self.config.endpoint, Some(self.way.endpoint));
    }

    async fn handle_lookup(&mut self, found: Result<SocketAddr>) {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                info!("{error:#}");
                return;
            }
        };
        let is_silent = self.next_lookup.is_some();
        if found == self.way.endpoint || !is_silent {
            return;
        }
        info!(from = %self.way.endpoint, to = %found, "the server is tried at another address");
        // The way around the tunnel is there before the first datagram takes it.
        self.way.endpoint = found;
        self.way.mtu_ceiling = self.mtu_ceiling_to(found).await;
        self.repair().await;
        let ceiling = self.way.mtu_ceiling;
        let told = self.event_loop.order(move |tunnel, _, now| tunnel.set_endpoint(found, ceiling, now));
        if let Err(error) = told {
            warn!("{error:#}");
        }
    }

    /// What the link to the server at another address leaves of a packet.
    async fn mtu_ceiling_to(&self, server: SocketAddr) -> u16 {
        let way = self.network.route_to(server.ip()).await.ok().flatten();
        route_plan::mtu_ceiling(way.map(|way| way.mtu), server.ip(), self.config.mtu)
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

/// Returns at that time; never where there is none.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
