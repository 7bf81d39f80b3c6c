//! The server while it runs: events of the tunnel, orders and questions from the control socket, signals.

use super::come_back::ComeBack;
use super::hand_over::hand_over;
use super::reachability::Reachability;
use super::renumber::Successor;
use crate::ROLE;
use crate::conflicts::Conflicts;
use crate::lending::Lending;
use crate::order::Order;
use crate::probes::Probes;
use crate::roster::Roster;
use crate::service;
use crate::status::{Identity, Status};
use anyhow::{Result, bail};
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{info, trace, warn};
use v6tun_host::network::AddressWatch;
use v6tun_host::tun::Tun;
use v6tun_keys::PublicKey;
use v6tun_proto::{Outputs, ServerEvent, ServerTunnel};
use v6tun_wire::{EventLoop, Operator, Reply, Response, Wish};

/// How often the host is looked at without a sign that somebody has changed it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How far apart such looks are at the least where the kernel tells of changes, most of which are our own.
const LOOK_APART: Duration = Duration::from_millis(250);
/// How soon it is written down where a client is: whoever starts this server anew calls it there. Clients that come together
/// are written down together.
const SAVE_SOON: Duration = Duration::from_secs(1);
/// How far apart two such writes are at the least.
const SAVE_APART: Duration = Duration::from_secs(10);
/// How often it is seen to that what ended long ago is forgotten.
const FORGET: Duration = Duration::from_secs(3600);

/// Everything that a running server holds.
pub(crate) struct Server<'a> {
    pub(crate) lending: Lending<'a>,
    pub(crate) roster: Roster<'a>,
    pub(crate) probes: Probes,
    pub(crate) conflicts: Conflicts,
    pub(crate) watch: AddressWatch,
    pub(crate) event_loop: EventLoop<ServerTunnel>,
    pub(crate) events: mpsc::Receiver<ServerEvent>,
    pub(crate) identity: Identity,
    /// The data path has not taken an input.
    pub(crate) is_deaf: Cell<bool>,
    /// Clients that wait for a place among those who are asked about.
    pub(crate) waiting: VecDeque<PublicKey>,
    /// What was said of each address that could not be lent, so that it is said once.
    pub(crate) unlent: HashMap<Ipv6Addr, String>,
    pub(crate) successor: Successor,
    pub(crate) reachability: Reachability,
    /// Until the administrator's connection has proved to live through the changes.
    pub(crate) come_back: Option<ComeBack>,
}

impl Server<'_> {
    /// Says that it is up.
    pub(crate) fn announce(&self) {
        let Identity { interface, listen_port, uplink, .. } = &self.identity;
        // Where standard output is closed nobody waits for it.
        let _unheard = writeln!(
            io::stdout(),
            "{}: up on {uplink}, port {listen_port}, tunnel {interface}",
            ROLE.program
        );
        service::tell_ready();
    }

    /// Runs until the operator wants the end, and gives the tun back. Says bye to the clients, unless host and tun are left
    /// to the next server: whether they are.
    pub(crate) async fn serve(mut self, operator: &mut Operator<Status>) -> Result<(Tun, bool)> {
        let ended = self.run(operator).await;
        self.roster.save_news();
        if matches!(ended, Ok(true)) && operator.hands_over() {
            let tun = self.event_loop.fall_silent().await?;
            let is_left = hand_over(&mut self.lending, &tun).await;
            info!("stopped serving");
            return Ok((tun, is_left));
        }
        let tun = self.event_loop.stop().await?;
        if !ended? {
            bail!("the data path ended by itself");
        }
        info!("stopped serving");
        Ok((tun, false))
    }

    /// Whether the end was wanted.
    ///
    /// # Errors
    /// When the administrator may be locked out.
    async fn run(&mut self, operator: &mut Operator<Status>) -> Result<bool> {
        let mut forgets = interval(FORGET);
        forgets.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut save_at_the_earliest = Instant::now();
        let mut last_look = Instant::now();
        let mut next_look = last_look + LOOK_AGAIN;
        // Whether the kernel has told of something since the last look.
        let mut has_changed = false;
        while !self.is_deaf.get() {
            self.guard().await;
            tokio::select! {
                wish = operator.next() => match wish {
                    Wish::Stop => return Ok(true),
                    Wish::Status(reply) => self.tell_status(reply).await,
                    Wish::Order(Order::TestPort, reply) => self.test_port(reply).await,
                    Wish::Order(order, reply) => self.obey(order, reply).await,
                },
                event = self.events.recv() => match event {
                    Some(event) => self.handle_event(event).await,
                    None => return Ok(false),
                },
                proof = prove(&mut self.come_back) => {
                    proof?;
                    self.come_back = None;
                }
                tested = self.reachability.next() => match tested {
                    Some(tested) => self.tell_tested(tested),
                    None => self.reachability.end_port_test(None),
                },
                finding = self.probes.next() => self.handle_finding(finding).await,
                () = self.watch.changed(), if !has_changed => {
                    has_changed = true;
                    next_look = next_look.min(last_look + LOOK_APART);
                }
                () = sleep_until(next_look) => {
                    self.lending.look_again().await;
                    self.heed_prefix().await;
                    self.lending.uplink().clone_into(&mut self.identity.uplink);
                    (last_look, has_changed) = (Instant::now(), false);
                    next_look = last_look + LOOK_AGAIN;
                }
                () = due(self.roster.news_since(), save_at_the_earliest) => {
                    self.roster.save_news();
                    save_at_the_earliest = Instant::now() + SAVE_APART;
                }
                _ = forgets.tick() => self.forget(),
            }
        }
        Ok(false)
    }

    fn forget(&mut self) {
        for invitation in self.roster.forget_the_old() {
            self.tell_tunnel(move |tunnel, _, _| tunnel.remove_invitation(&invitation));
        }
    }

    async fn handle_event(&mut self, event: ServerEvent) {
        trace!(?event);
        match event {
            ServerEvent::LeaseNeeded { client, .. } => self.lease_needed(client).await,
            ServerEvent::ClientCalled { client } => self.lease_expected(client).await,
            ServerEvent::ClientConnected { name, endpoint, client } => {
                info!(client = name, %endpoint, "connected");
                self.roster.heard_from(client, endpoint);
            }
            ServerEvent::ClientMoved { name, from, to, client } => {
                info!(client = name, %from, %to, "moved");
                self.roster.heard_from(client, to);
            }
            ServerEvent::ClientLeft { name, .. } => info!(client = name, "left"),
            ServerEvent::UnknownKey { key, source } => {
                warn!(%key, %source, "handshake from a key that no client has");
            }
            ServerEvent::EnrolRequested { visitor, invitation, client, name, source } => {
                self.enrol(visitor, crate::roster::Request { invitation, client, name, source });
            }
            ServerEvent::InboundTestWanted { client, request_id, address, tcp_port } => {
                self.test_inbound(client, request_id, (address, tcp_port));
            }
            ServerEvent::PortTested { source } => self.reachability.end_port_test(Some(source)),
            ServerEvent::SessionPanicked { name } => {
                warn!(client = name, "its session broke on a message and was given up; it will reconnect");
            }
        }
    }

    /// Gives the tunnel an input. A data path that takes none is at its end, and so is the server: what is written
    /// down would no longer be what is done.
    pub(super) fn tell_tunnel(
        &self,
        input: impl FnOnce(&mut ServerTunnel, &mut Outputs<'_>, std::time::Instant) + Send + 'static,
    ) {
        if let Err(error) = self.event_loop.order(input) {
            warn!("{error:#}");
            self.is_deaf.set(true);
        }
    }

    async fn tell_status(&self, reply: Reply<Status>) {
        let response = match self.event_loop.figures().await {
            Ok(figures) => Response::Status(Status::new(&self.identity, figures)),
            Err(error) => Response::Failed(format!("{error:#}")),
        };
        // Whoever asked may have gone: then nobody misses the answer.
        let _unasked = reply.send(response);
    }
}

/// Returns when news are to be written down; never where there are none.
async fn due(news_since: Option<std::time::Instant>, earliest: Instant) {
    match news_since {
        Some(since) => sleep_until((Instant::from_std(since) + SAVE_SOON).max(earliest)).await,
        None => std::future::pending().await,
    }
}

/// Never, where nobody has to prove anything.
async fn prove(come_back: &mut Option<ComeBack>) -> Result<()> {
    match come_back {
        Some(come_back) => come_back.proof().await,
        None => std::future::pending().await,
    }
}
