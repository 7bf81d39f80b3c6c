//! The server while it runs: events of the tunnel, questions from the control socket, signals.

use crate::ROLE;
use crate::lending::Lending;
use crate::status::{Identity, Status};
use anyhow::{Result, bail};
use std::io::{self, Write};
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};
use v6tun_host::tun::Tun;
use v6tun_keys::PublicKey;
use v6tun_proto::{ServerEvent, ServerTunnel};
use v6tun_wire::{EventLoop, Operator, Response, Wish};

/// How often the host is looked at, and repaired where somebody has changed it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Everything that a running server holds.
pub(crate) struct Server<'a> {
    pub(crate) lending: Lending<'a>,
    pub(crate) event_loop: EventLoop<ServerTunnel>,
    pub(crate) events: mpsc::Receiver<ServerEvent>,
    pub(crate) identity: Identity,
}

impl Server<'_> {
    /// Runs until the operator wants the end. Says bye to the clients and gives the tun back.
    pub(crate) async fn serve(mut self, operator: &mut Operator<Status>) -> Result<Tun> {
        let Identity { interface, listen_port, uplink, .. } = &self.identity;
        // Where standard output is closed nobody waits for it.
        let _unheard = writeln!(
            io::stdout(),
            "{}: up on {uplink}, port {listen_port}, tunnel {interface}",
            ROLE.program
        );
        let is_wanted = self.run(operator).await;
        let tun = self.event_loop.stop().await?;
        if !is_wanted {
            bail!("the data path ended by itself");
        }
        info!("stopped serving");
        Ok(tun)
    }

    /// Whether the end was wanted.
    async fn run(&mut self, operator: &mut Operator<Status>) -> bool {
        let mut looks = interval(LOOK_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                wish = operator.next() => match wish {
                    Wish::Stop => return true,
                    Wish::Status(reply) => self.tell_status(reply).await,
                },
                event = self.events.recv() => match event {
                    Some(event) => self.handle_event(event).await,
                    None => return false,
                },
                _ = looks.tick() => self.lending.look_again().await,
            }
        }
    }

    async fn handle_event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::LeaseNeeded { client, name, address } => self.lend(client, &name, address).await,
            ServerEvent::ClientConnected { name, endpoint, .. } => {
                info!(client = name, %endpoint, "connected")
            }
            ServerEvent::ClientMoved { name, from, to, .. } => info!(client = name, %from, %to, "moved"),
            ServerEvent::ClientLeft { name, .. } => info!(client = name, "left"),
            ServerEvent::UnknownKey { key, source } => {
                warn!(%key, %source, "handshake from a key that no [[client]] has");
            }
            // Nobody is invited yet.
            ServerEvent::EnrolRequested { .. } => {}
            ServerEvent::SessionPanicked { name } => {
                warn!(client = name, "its session broke on a message and was given up; it will reconnect");
            }
        }
    }

    async fn lend(&mut self, client: PublicKey, name: &str, address: Ipv6Addr) {
        let lent = self.lending.lend(address).await;
        match &lent {
            Ok(()) => info!(client = name, %address, "lent"),
            Err(error) => warn!(client = name, %address, "not lent: {error:#}"),
        }
        let is_ready = lent.is_ok();
        let ordered = self.event_loop.order(move |tunnel, out, now| match is_ready {
            true => tunnel.handle_lease_ready(client, out, now),
            false => tunnel.handle_lease_failed(client, out, now),
        });
        if let Err(error) = ordered {
            warn!("{error:#}");
        }
    }

    async fn tell_status(&self, reply: oneshot::Sender<Response<Status>>) {
        let response = match self.event_loop.figures().await {
            Ok(figures) => Response::Status(Status::new(&self.identity, figures)),
            Err(error) => Response::Failed(format!("{error:#}")),
        };
        // Whoever asked may have gone: then nobody misses the answer.
        let _unasked = reply.send(response);
    }
}
