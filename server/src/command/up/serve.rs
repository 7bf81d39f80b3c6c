//! The server while it runs: events of the tunnel, questions from the control socket, signals.

use crate::PROGRAM;
use crate::control::{Control, ControlRequest, ControlResponse};
use crate::event_loop::{EventLoop, Order};
use crate::lending::Lending;
use crate::status::{Identity, Status};
use anyhow::{Result, bail};
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};
use v6tun_host::signal::StopSignals;
use v6tun_host::tun::Tun;
use v6tun_keys::PublicKey;
use v6tun_proto::ServerEvent;

/// How often the host is looked at, and repaired where somebody has changed it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Everything that a running server holds.
pub(crate) struct Server<'s, 'l> {
    pub(crate) lending: &'s mut Lending<'l>,
    pub(crate) event_loop: EventLoop,
    pub(crate) events: mpsc::Receiver<ServerEvent>,
    pub(crate) control: &'s mut Control,
    pub(crate) identity: Identity,
}

/// A server that has said bye. Its tun stays until this is dropped.
pub(crate) struct Stopped {
    asked: Option<oneshot::Sender<ControlResponse>>,
    _tun: Tun,
}

enum Stop {
    Signal,
    /// `v6tun-server down` waits for the answer.
    Asked(oneshot::Sender<ControlResponse>),
    DataPathEnded,
}

impl Server<'_, '_> {
    /// Runs until a signal, `down`, or the end of the data path.
    pub(crate) async fn serve(mut self, signals: &mut StopSignals) -> Result<Stopped> {
        let Identity { interface, listen_port, uplink, .. } = &self.identity;
        println!("{PROGRAM}: up on {uplink}, port {listen_port}, tunnel {interface}");
        let stop = self.run(signals).await;
        let tun = self.event_loop.stop().await?;
        info!("stopped serving; restoring the host");
        match stop {
            Stop::Asked(asked) => Ok(Stopped { asked: Some(asked), _tun: tun }),
            Stop::Signal => Ok(Stopped { asked: None, _tun: tun }),
            Stop::DataPathEnded => bail!("the data path ended by itself"),
        }
    }

    async fn run(&mut self, signals: &mut StopSignals) -> Stop {
        let mut looks = interval(LOOK_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                signal = signals.requested() => {
                    info!("{signal}");
                    return Stop::Signal;
                }
                event = self.events.recv() => match event {
                    Some(event) => self.handle_event(event).await,
                    None => return Stop::DataPathEnded,
                },
                _ = looks.tick() => self.lending.look_again().await,
                (request, asked) = self.control.next() => match request {
                    ControlRequest::Down => return Stop::Asked(asked),
                    ControlRequest::Status => self.answer_status(asked).await,
                },
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
            ServerEvent::SessionPanicked { name } => {
                warn!(client = name, "its session broke on a message and was given up; it will reconnect");
            }
        }
    }

    async fn lend(&mut self, client: PublicKey, name: &str, address: Ipv6Addr) {
        let order = match self.lending.lend(address).await {
            Ok(()) => {
                info!(client = name, %address, "lent");
                Order::LeaseReady(client)
            }
            Err(error) => {
                warn!(client = name, %address, "not lent: {error:#}");
                Order::LeaseFailed(client)
            }
        };
        if let Err(error) = self.event_loop.order(order) {
            warn!("{error:#}");
        }
    }

    async fn answer_status(&self, asked: oneshot::Sender<ControlResponse>) {
        let response = match self.event_loop.figures().await {
            Ok(figures) => ControlResponse::Status(Status::new(&self.identity, figures)),
            Err(error) => ControlResponse::Failed(format!("{error:#}")),
        };
        // Whoever asked may have gone: then nobody misses the answer.
        drop(asked.send(response));
    }
}

impl Stopped {
    /// Tells a waiting `down` how it ended, and lets the tun go.
    pub(crate) fn answer(self, response: ControlResponse) {
        if let Some(asked) = self.asked {
            // Whoever asked may have gone: the host is what counts.
            drop(asked.send(response));
        }
    }
}
