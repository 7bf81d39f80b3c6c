//! Bringing up what clients are to be lent, and what becomes of it where somebody else has the address.

use super::serve::Server;
use crate::probes::Finding;
use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::time::Instant;
use tracing::{debug, info, warn};
use v6tun_host::neighbour_discovery::NeighbourProbe;
use v6tun_keys::PublicKey;

/// Addresses of which is remembered what was said: beyond that it may be said again.
const MAX_UNLENT: usize = 1024;

/// Whether that was not said last of the address.
fn said_anew(unlent: &mut HashMap<Ipv6Addr, String>, address: Ipv6Addr, why: &str) -> bool {
    if unlent.len() >= MAX_UNLENT {
        unlent.clear();
    }
    unlent.insert(address, why.to_owned()).as_deref() != Some(why)
}

impl Server<'_> {
    /// A client is there whose address the host does not carry yet.
    pub(super) async fn lease_needed(&mut self, client: PublicKey) {
        // It may have been moved, or revoked, since it was told of.
        let Some(address) = self.roster.address_of(&client) else { return };
        if self.probes.is_asked_for(address) {
            return;
        }
        if self.probes.is_full() {
            if !self.waiting.contains(&client) {
                self.waiting.push_back(client);
            }
            return;
        }
        match self.lending.probe(address).await {
            Ok(Some(probe)) => self.probes.ask(address, probe),
            Ok(None) => self.lend(address, None).await,
            Err(error) => {
                warn!(%address, "lent without a duplicate probe: {error:#}");
                self.lend(address, None).await;
            }
        }
    }

    /// A client is called that may answer soon: the link is asked meanwhile, and nothing is lent before it does.
    pub(super) async fn lease_expected(&mut self, client: PublicKey) {
        let Some(address) = self.roster.address_of(&client) else { return };
        let cannot_be = self.lending.carries(address) || self.probes.is_full();
        if !cannot_be && let Ok(Some(probe)) = self.lending.probe(address).await {
            self.probes.ask_in_advance(address, probe);
        }
    }

    pub(super) async fn handle_finding(&mut self, finding: Finding) {
        self.act_on(finding).await;
        while !self.probes.is_full()
            && let Some(client) = self.waiting.pop_front()
        {
            self.lease_needed(client).await;
        }
    }

    async fn act_on(&mut self, finding: Finding) {
        let (address, conflict) = match finding {
            Finding::Free(address, probe) => return self.lend(address, probe).await,
            Finding::Unwanted => return,
            Finding::Taken(address, conflict) | Finding::TakenLate(address, conflict) => (address, conflict),
        };
        let Some(client) = self.roster.holder_of(address) else { return };
        let name = self.roster.name_of(&client);
        let why = format!("another host on the link has it: {conflict}");
        if said_anew(&mut self.unlent, address, &why) {
            warn!(client = name, %address, "{why}");
        }
        if self.conflicts.may_move(client, Instant::now()) {
            self.give_another(client).await;
        } else if self.lending.carries(address) {
            warn!(client = name, %address, "it was moved too often lately, and stays");
        } else {
            debug!(client = name, "it was moved too often lately, and is lent nothing for now");
            self.tell_tunnel(move |tunnel, out, now| tunnel.handle_lease_failed(client, out, now));
        }
    }

    /// Has the host carry the address of a client, and tells the tunnel. A client that has had another one until
    /// now follows, and then the host gives that one back.
    pub(super) async fn lend(&mut self, address: Ipv6Addr, probe: Option<NeighbourProbe>) {
        let Some(client) = self.roster.holder_of(address) else { return };
        let lent = self.lending.lend(address).await;
        let name = self.roster.name_of(&client);
        match &lent {
            Ok(()) => {
                self.unlent.remove(&address);
                info!(client = name, %address, "lent");
            }
            // It is tried again every few seconds for as long as the client is there.
            Err(error) => {
                let why = format!("{error:#}");
                if said_anew(&mut self.unlent, address, &why) {
                    warn!(client = name, %address, "not lent: {why}");
                }
            }
        }
        let is_ready = lent.is_ok();
        if let Some(probe) = probe.filter(|_| is_ready) {
            self.probes.listen(address, probe);
        }
        self.tell_tunnel(move |tunnel, out, now| {
            // A client that has gone meanwhile has no place.
            let _is_there = tunnel.move_client(&client, address, out, now);
            match is_ready {
                true => tunnel.handle_lease_ready(client, out, now),
                false => tunnel.handle_lease_failed(client, out, now),
            }
        });
        self.end_what_nobody_has().await;
    }

    /// Gives a client whose address somebody else has another one. It keeps the one that it uses until the link was
    /// asked about the new one, too.
    async fn give_another(&mut self, client: PublicKey) {
        let name = self.roster.name_of(&client).to_owned();
        match self.roster.give_another(&client) {
            Ok((from, to)) => {
                info!(client = name, %from, %to, "it gets another address");
                self.lease_needed(client).await;
            }
            Err(error) => {
                warn!(client = name, "it gets no other address: {error:#}");
                if let Some(address) = self.roster.address_of(&client) {
                    self.lending.end(address).await;
                }
                self.tell_tunnel(move |tunnel, out, now| tunnel.handle_lease_failed(client, out, now));
            }
        }
    }

    /// Gives back what the host carries for nobody any more.
    pub(super) async fn end_what_nobody_has(&mut self) {
        for address in self.lending.carried() {
            if self.roster.holder_of(address).is_none() {
                self.lending.end(address).await;
            }
        }
    }
}
