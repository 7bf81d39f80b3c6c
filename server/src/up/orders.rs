//! Orders while the server runs: what may fail is tried first, then they are written down, then told to the tunnel,
//! and then acknowledged.

use super::serve::Server;
use crate::order::{Answer, Order};
use crate::roster::{Effect, Request};
use crate::status::Status;
use crate::uplink_guard;
use anyhow::Result;
use std::net::Ipv6Addr;
use tracing::{trace, warn};
use v6tun_cli::{Failure, error_report};
use v6tun_host::neighbour_discovery::NeighbourProbe;
use v6tun_keys::PublicKey;
use v6tun_proto::VisitorId;
use v6tun_wire::{Reply, Response};

/// The roster and the tunnel have the same clients; were it not so, a restart would mend it.
fn warn_unless(is_done: bool) {
    if !is_done {
        warn!("the tunnel has that key or address already: start the server anew");
    }
}

/// Addresses that are asked about for one client that is added: at a fifth of a second each.
const MAX_ASKED: usize = 8;

impl Server<'_> {
    pub(super) async fn obey(&mut self, order: Order, reply: Reply<Status>) {
        trace!(?order);
        // Who has given up is told nothing, and must not find it done later.
        if reply.is_closed() {
            return;
        }
        let response = match self.carry_out(order).await {
            Ok(answer) => Response::Answer(answer),
            Err(error) => Response::Refused(error_report::as_failure(&error)),
        };
        // Whoever asked may have gone: then nobody misses the answer.
        let _unasked = reply.send(response);
    }

    async fn carry_out(&mut self, order: Order) -> Result<Answer> {
        match order {
            Order::Move { name, address } => self.move_client(name, address).await,
            Order::AddClient(mut new) => {
                self.roster.check_new(&new)?;
                new.address = Some(match new.address {
                    Some(address) => self.require_free(address).await.map(|_| address)?,
                    None => self.choose_free(&new.public_key).await?,
                });
                self.write_down(Order::AddClient(new)).await
            }
            Order::Inbound { name, inbound } => {
                // What the host cannot see to is not promised.
                let guarded = self.roster.guarded_with(&name, &inbound)?;
                self.lending.guard(guarded).await?;
                self.write_down(Order::Inbound { name, inbound }).await
            }
            other => self.write_down(other).await,
        }
    }

    /// Whoever came, went or moved is guarded where it is now; also where an order about it came to nothing.
    pub(super) async fn guard(&mut self) {
        if let Err(error) = self.lending.guard(self.roster.guarded()).await {
            warn!("{error:#}");
        }
    }

    async fn write_down(&mut self, order: Order) -> Result<Answer> {
        let (answer, effect) = self.roster.carry_out(order)?;
        self.tell_of(effect);
        self.end_what_nobody_has().await;
        Ok(answer)
    }

    /// The new address is asked about, and carried by the host where that carries the old one, before anything is
    /// written down; a refusal leaves all as it was.
    async fn move_client(&mut self, name: String, address: Ipv6Addr) -> Result<Answer> {
        let client = self.roster.movable(&name, address)?;
        let from = self.roster.address_of(&client);
        if from == Some(address) {
            return self.write_down(Order::Move { name, address }).await;
        }
        let probe = self.require_free(address).await?;
        if from.is_some_and(|from| self.lending.carries(from)) {
            self.lending.lend(address).await?;
        }
        let moved = self.write_down(Order::Move { name, address }).await;
        match (&moved, probe) {
            (Ok(_), Some(probe)) if self.lending.carries(address) => self.probes.listen(address, probe),
            (Err(_), _) => self.end_what_nobody_has().await,
            _ => {}
        }
        moved
    }

    /// Tells the tunnel of what needs nothing of the host.
    pub(super) fn tell_of(&self, effect: Effect) {
        self.tell_tunnel(move |tunnel, out, now| match effect {
            Effect::None => {}
            Effect::Added(client) => warn_unless(tunnel.add_client(client)),
            Effect::Removed(client) => tunnel.remove_client(&client, out, now),
            Effect::Renamed { client, name } => tunnel.rename_client(&client, name),
            Effect::Moved { client, to } => warn_unless(tunnel.move_client(&client, to, out, now)),
            Effect::Invited(invitation) => tunnel.add_invitation(invitation),
        });
    }

    /// Answers a visitor: it becomes a client, or hears why not.
    pub(super) fn enrol(&mut self, visitor: VisitorId, request: Request) {
        let is_usable = |address| uplink_guard::check_sockets(&[address]).is_ok();
        let enrolment = self.roster.enrol(&request, is_usable);
        self.tell_tunnel(move |tunnel, out, now| {
            if let Some(client) = enrolment.added {
                warn_unless(tunnel.add_client(client));
            }
            tunnel.handle_enrol_answer(visitor, enrolment.answer, out, now);
        });
    }

    /// An address for a client that is told of it once, as a stock one is: so it must be free now.
    async fn choose_free(&mut self, client: &PublicKey) -> Result<Ipv6Addr> {
        for _ in 0..MAX_ASKED {
            let Some(address) = self.roster.choose(client) else { break };
            match self.require_free(address).await {
                Ok(_) => return Ok(address),
                Err(error) => warn!("{error:#}"),
            }
            self.roster.avoid(address);
        }
        Err(self.roster.pool_is_full())
    }

    /// Refuses an address that a socket of this host is bound to, or that another host on the link has. Gives the
    /// probe, which can go on listening. Where the link cannot be asked the address counts as free.
    async fn require_free(&mut self, address: Ipv6Addr) -> Result<Option<NeighbourProbe>> {
        if self.lending.carries(address) {
            return Ok(None);
        }
        uplink_guard::check_sockets(&[address])?;
        let answer = match self.lending.probe(address).await {
            Ok(Some(mut probe)) => {
                probe.first_answer().await.map(|answer| (answer, probe)).map_err(anyhow::Error::from)
            }
            Ok(None) => return Ok(None),
            Err(error) => Err(error),
        };
        match answer {
            Ok((None, probe)) => Ok(Some(probe)),
            Ok((Some(conflict), _)) => {
                let what = format!("{address} cannot be lent: another host on the link has it: {conflict}");
                Err(Failure::failed(what).with_hint("take another one of the pool").into())
            }
            Err(error) => {
                warn!(%address, "no duplicate probe: {error:#}");
                Ok(None)
            }
        }
    }
}
