//! Orders while the server runs: written down first, then done to the tunnel and the host, then acknowledged.

use super::serve::Server;
use crate::order::{Answer, Order};
use crate::roster::{Effect, Request};
use crate::status::Status;
use anyhow::Result;
use std::net::Ipv6Addr;
use tracing::{trace, warn};
use v6tun_cli::{Failure, error_report};
use v6tun_proto::VisitorId;
use v6tun_wire::{Reply, Response};

impl Server<'_> {
    pub(super) async fn obey(&mut self, order: Order, reply: Reply<Status>) {
        trace!(?order);
        let response = match self.carry_out(order).await {
            Ok(answer) => Response::Answer(answer),
            Err(error) => Response::Refused(error_report::as_failure(&error)),
        };
        // Whoever asked may have gone: then nobody misses the answer.
        let _unasked = reply.send(response);
    }

    async fn carry_out(&mut self, order: Order) -> Result<Answer> {
        let order = match order {
            Order::AddClient(mut new) if new.address.is_none() => {
                // A stock client is told its address once, so it must be free now.
                while let Some(address) = self.roster.choose(&new.public_key) {
                    if self.is_free(address).await {
                        new.address = Some(address);
                        break;
                    }
                    self.roster.avoid(address);
                }
                Order::AddClient(new)
            }
            Order::AddClient(new) => {
                self.require_free(new.address).await?;
                Order::AddClient(new)
            }
            Order::Move { name, address } => {
                let client = self.roster.movable(&name, address)?;
                if self.roster.address_of(&client) != Some(address) {
                    self.require_free(Some(address)).await?;
                }
                Order::Move { name, address }
            }
            other => other,
        };
        let (answer, effect) = self.roster.carry_out(order)?;
        self.take_effect(effect).await;
        Ok(answer)
    }

    async fn take_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Removed { address, .. } => {
                self.tell_of(effect);
                self.lending.end(address).await;
            }
            Effect::Moved { client, from, to } if self.lending.carries(from) => {
                self.carry_over(client, from, to).await;
            }
            effect => self.tell_of(effect),
        }
    }

    /// Tells the tunnel of what needs nothing of the host.
    pub(super) fn tell_of(&self, effect: Effect) {
        self.tell_tunnel(move |tunnel, out, now| match effect {
            Effect::None => {}
            Effect::Added(client) => drop(tunnel.add_client(client)),
            Effect::Removed { client, .. } => tunnel.remove_client(&client, out, now),
            Effect::Renamed { client, name } => tunnel.rename_client(&client, name),
            Effect::Moved { client, to, .. } => drop(tunnel.move_client(&client, to, out, now)),
            Effect::Invited(invitation) => tunnel.add_invitation(invitation),
        });
    }

    /// Answers a visitor: it becomes a client, or hears why not.
    pub(super) fn enrol(&mut self, visitor: VisitorId, request: Request) {
        let enrolment = self.roster.enrol(&request);
        self.tell_tunnel(move |tunnel, out, now| {
            if let Some(client) = enrolment.added {
                tunnel.add_client(client);
            }
            tunnel.handle_enrol_answer(visitor, enrolment.answer, out, now);
        });
    }

    async fn require_free(&mut self, address: Option<Ipv6Addr>) -> Result<()> {
        match address {
            Some(address) if !self.is_free(address).await => {
                let what = format!("{address} cannot be lent: another host on the link has it");
                Err(Failure::failed(what)
                    .with_hint("take another one, or no --address: the pool's next")
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// Asks the link whether somebody else has the address. Where that cannot be asked it counts as free.
    async fn is_free(&mut self, address: Ipv6Addr) -> bool {
        let answer = match self.lending.probe(address).await {
            Ok(Some(mut probe)) => probe.first_answer().await.map_err(anyhow::Error::from),
            Ok(None) => return true,
            Err(error) => Err(error),
        };
        match answer {
            Ok(conflict) => conflict.is_none(),
            Err(error) => {
                warn!(%address, "no duplicate probe: {error:#}");
                true
            }
        }
    }
}
