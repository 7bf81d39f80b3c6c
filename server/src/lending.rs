//! Making the host carry a lease: the guard, the plan, the journal, the kernel.

use crate::config::{Config, Ndp};
use crate::likely_owner::advice;
use crate::packet_filter::Guarded;
use crate::tug_of_war::{Judged, TugOfWar};
use crate::uplink::Uplink;
use crate::{packet_filter, uplink_guard, uplink_plan};
use anyhow::Result;
use std::net::Ipv6Addr;
use std::time::Instant;
use tracing::warn;
use v6tun_host::neighbour_discovery::{NeighbourProbe, Responder};
use v6tun_host::network::{
    Change, Entry, Journal, Link, Network, Observed, Requirement, RouteKind, carry_out, plan, release,
};
use v6tun_host::tun::Tun;

/// The host's side of the server: what must be true of it, and what was changed so far.
pub(crate) struct Lending<'a> {
    network: &'a Network,
    /// Every change that is not undone yet.
    journal: &'a mut Journal,
    config: &'a Config,
    uplink: Uplink,
    /// What must be true before the first lease.
    startup: Vec<Requirement>,
    /// Whether only uplink and tunnel are made to forward.
    is_narrow: bool,
    /// Whom not everything may come in to.
    guarded: Vec<Guarded>,
    /// What must be true for each lease, in the order of their beginnings.
    leases: Vec<(Ipv6Addr, Vec<Requirement>)>,
    /// Answers for the leases on the uplink, where the kernel does not.
    responder: Option<Responder>,
    /// What could not be given back yet.
    unreleased: Vec<Ipv6Addr>,
    tug_of_war: TugOfWar,
    /// Why the host could not be repaired when it was last looked at; said once.
    unrepaired: Vec<String>,
}

impl<'a> Lending<'a> {
    pub(crate) fn new(
        network: &'a Network,
        journal: &'a mut Journal,
        config: &'a Config,
        uplink: &Uplink,
        guarded: Vec<Guarded>,
    ) -> Result<Self> {
        let packet_filter = packet_filter::requirements(config, uplink, &guarded)?;
        Ok(Self {
            network,
            journal,
            config,
            uplink: uplink.clone(),
            tug_of_war: TugOfWar::default(),
            startup: uplink_plan::startup(config, uplink, packet_filter),
            is_narrow: uplink_plan::forwards_narrowly(config, uplink),
            guarded,
            leases: Vec::new(),
            responder: None,
            unreleased: Vec::new(),
            unrepaired: Vec::new(),
        })
    }

    /// Sees to it that only answers come in to these clients, and everything to all others.
    pub(crate) async fn guard(&mut self, guarded: Vec<Guarded>) -> Result<()> {
        if guarded == self.guarded {
            return Ok(());
        }
        let Some(table) = packet_filter::own_table(self.config, &self.uplink, &guarded)? else {
            self.guarded = guarded;
            return Ok(());
        };
        make_true(self.network, self.journal, std::slice::from_ref(&table)).await?;
        match self.startup.iter_mut().find(|required| matches!(required, Requirement::FilterTable(_))) {
            Some(former) => *former = table,
            None => self.startup.push(table),
        }
        self.guarded = guarded;
        Ok(())
    }

    /// Goes on with the leases that the server before has left to this one, as far as somebody still has them. What else
    /// it has changed and is not to be so any more is given back. To be called before [`prepare`](Self::prepare).
    pub(crate) async fn go_on(&mut self, is_held: impl Fn(Ipv6Addr) -> bool) -> Result<()> {
        let mut lent = Vec::new();
        for address in leased(self.journal.entries()).filter(|address| is_held(*address)) {
            if !lent.contains(&address) {
                lent.push(address);
                let lease = uplink_plan::lease(address, &lent, self.config, &self.uplink);
                self.leases.push((address, lease));
            }
        }
        let leases = self.leases.iter().flat_map(|(_, lease)| lease);
        let required: Vec<&Requirement> = self.startup.iter().chain(leases).collect();
        let is_past = |change: &Change| !required.iter().any(|required| required.is_served_by(change));
        let notes = release(self.network, self.journal, is_past).await?;
        notes.iter().for_each(|note| warn!("{note}"));
        Ok(())
    }

    /// Leaves the host to the next server as it is, with the tun.
    pub(crate) async fn leave(&mut self, tun: &Tun) -> Result<()> {
        let left = Change::LeaveTun { link: tun.name().to_owned(), uplink: self.uplink().to_owned() };
        carry_out(self.network, self.journal, vec![left]).await?;
        Ok(tun.set_persistent(true)?)
    }

    /// Makes the host what it must be before the first new lease.
    pub(crate) async fn prepare(&mut self) -> Result<()> {
        make_true(self.network, self.journal, &self.startup).await?;
        if self.config.ndp == Ndp::Responder {
            self.start_responder().await?;
        }
        if !self.leases.is_empty() {
            self.look_again().await;
        }
        Ok(())
    }

    /// Answers for what is lent already, too.
    async fn start_responder(&mut self) -> Result<()> {
        let responder = Responder::start(self.network, self.uplink()).await?;
        for (address, _) in &self.leases {
            if let Err(error) = responder.add(*address) {
                warn!(%address, "the link's neighbours are not told where it is: {error}");
            }
        }
        self.responder = Some(responder);
        Ok(())
    }

    /// Makes the host carry one lease. A second call for the same address finds nothing to do.
    pub(crate) async fn lend(&mut self, address: Ipv6Addr) -> Result<()> {
        if let Some((_, lease)) = self.leases.iter().find(|(lent, _)| *lent == address) {
            return make_true(self.network, self.journal, lease).await;
        }
        let uplink = Uplink::find(self.network, Some(self.uplink())).await?;
        uplink_guard::check_sockets(&[address])?;
        let mut lent: Vec<Ipv6Addr> = self.leases.iter().map(|(lent, _)| *lent).collect();
        lent.push(address);
        let lease = uplink_plan::lease(address, &lent, self.config, &uplink);
        if let Err(error) = make_true(self.network, self.journal, &lease).await {
            // Whatever of it was done.
            self.give_back(address).await;
            return Err(error);
        }
        self.leases.push((address, lease));
        if let Some(responder) = &self.responder
            && let Err(error) = responder.add(address)
        {
            warn!(%address, "the link's neighbours are not told where it is: {error}");
        }
        Ok(())
    }

    /// The uplink's name, as it is now.
    pub(crate) fn uplink(&self) -> &str {
        &self.uplink.link.name
    }

    /// The uplink as it was last looked at.
    pub(crate) fn seen_uplink(&self) -> &Uplink {
        &self.uplink
    }

    /// The addresses that the host carries.
    pub(crate) fn carried(&self) -> Vec<Ipv6Addr> {
        self.leases.iter().map(|(lent, _)| *lent).collect()
    }

    /// Whether the host carries that lease.
    pub(crate) fn carries(&self, address: Ipv6Addr) -> bool {
        self.leases.iter().any(|(lent, _)| *lent == address)
    }

    /// Begins to ask the link whether somebody else has that address. `None` where there is nobody to ask: the
    /// host carries it, it stands on the uplink, or it is routed here.
    pub(crate) async fn probe(&self, address: Ipv6Addr) -> Result<Option<NeighbourProbe>> {
        if self.config.is_routed || self.carries(address) {
            return Ok(None);
        }
        let observed = self.network.observe(&[]).await?;
        let stands = observed.addresses_of(self.uplink()).iter().any(|entry| entry.address == address);
        if stands {
            return Ok(None);
        }
        Ok(Some(self.network.probe(self.uplink(), address).await?))
    }

    /// Gives back what one lease has changed, while the others go on. Without that lease nothing happens.
    pub(crate) async fn end(&mut self, address: Ipv6Addr) {
        if !self.carries(address) {
            return;
        }
        // First, so that nothing repairs what is being given back.
        self.leases.retain(|(lent, _)| *lent != address);
        if let Some(responder) = &self.responder {
            responder.remove(address);
        }
        self.give_back(address).await;
    }

    async fn give_back(&mut self, address: Ipv6Addr) {
        self.unreleased.retain(|other| *other != address);
        match release(self.network, self.journal, |change| change.concerns(address)).await {
            Ok(notes) => notes.iter().for_each(|note| warn!("{note}")),
            Err(error) => {
                warn!(%address, "not wholly given back, which is tried again: {error}");
                self.unreleased.push(address);
            }
        }
    }

    /// Puts right what somebody else has changed since the last look. What fails costs nothing else.
    pub(crate) async fn look_again(&mut self) {
        for address in std::mem::take(&mut self.unreleased) {
            // Unless it was lent anew meanwhile.
            if !self.carries(address) {
                self.give_back(address).await;
            }
        }
        let unrepaired = match self.look().await {
            Ok(observed) => {
                self.uplink.look_again(&observed);
                self.repair(&observed).await
            }
            Err(error) => vec![format!("{error:#}")],
        };
        for why in unrepaired.iter().filter(|why| !self.unrepaired.contains(why)) {
            warn!("the host is not as it must be: {why}");
        }
        self.unrepaired = unrepaired;
    }

    /// The host as it is; what has become of the uplink is followed first.
    async fn look(&mut self) -> Result<Observed> {
        let observed = self.network.observe(&self.startup).await?;
        self.heed_forwarding(&observed);
        let known = &self.uplink.link;
        let is_same = |link: &&Link| link.index == known.index && link.name == known.name;
        if observed.links.iter().any(|link| is_same(&link)) {
            return Ok(observed);
        }
        let by_index = observed.links.iter().find(|link| link.index == known.index);
        let in_its_place = || self.config.uplink.is_none().then(|| observed.default_route()).flatten();
        let by_route = || observed.link(&in_its_place()?.link);
        let Some(today) = by_index.or_else(|| observed.link(&known.name)).or_else(by_route).cloned() else {
            return Ok(observed);
        };
        self.follow(today).await;
        Ok(self.network.observe(&self.startup).await?)
    }

    /// Where only uplink and tunnel were made to forward, and somebody has made the host a router since, what it forwards
    /// is no longer limited; and the other way round.
    fn heed_forwarding(&mut self, observed: &Observed) {
        let forwards = observed.forwards();
        if self.is_narrow && forwards != self.uplink.forwards_already {
            self.uplink.forwards_already = forwards;
            self.renew_table();
        }
    }

    fn renew_table(&mut self) {
        let Some(anew) = packet_filter::table(self.config, &self.uplink, &self.guarded) else { return };
        for requirement in &mut self.startup {
            if let Requirement::FilterTable(table) = requirement {
                table.clone_from(&anew);
            }
        }
    }

    /// Goes on with an uplink that has another name, or was made anew under the same.
    async fn follow(&mut self, today: Link) {
        let former = std::mem::replace(&mut self.uplink.link, today);
        let (from, to) = (former.name, self.uplink.link.name.clone());
        warn!("the uplink {from} is {to} now, the interface number {}", self.uplink.link.index);
        self.uplink.listening.iter_mut().filter(|link| **link == from).for_each(|link| link.clone_from(&to));
        for requirement in self.startup.iter_mut().chain(self.leases.iter_mut().flat_map(|(_, lease)| lease))
        {
            requirement.rename_link(&from, &to);
        }
        self.renew_table();
        if self.responder.take().is_some()
            && let Err(error) = self.start_responder().await
        {
            warn!("{error}");
        }
    }

    /// One look serves all leases: with hundreds of them each has hundreds of routes and entries to read.
    async fn repair(&mut self, observed: &Observed) -> Vec<String> {
        let Judged { made, left } = self.tug_of_war.judge(plan(&self.startup, observed), Instant::now());
        let index = self.uplink.link.index;
        let mut unrepaired: Vec<String> = left
            .iter()
            .map(|key| format!("{key} is written by somebody else again and again, {}", advice(key, index)))
            .collect();
        for change in made {
            if let Err(error) = carry_out(self.network, self.journal, vec![change]).await {
                unrepaired.push(error.to_string());
            }
        }
        for (address, lease) in &self.leases {
            let changes = plan(lease, observed);
            let repaired = match refuse_if_used(*address, &self.uplink.link.name, observed) {
                Ok(()) => carry_out(self.network, self.journal, changes).await.map_err(anyhow::Error::from),
                Err(used) => Err(used),
            };
            if let Err(error) = repaired {
                unrepaired.push(format!("{address}: {error:#}"));
            }
        }
        unrepaired
    }
}

/// The addresses of the leases that were begun, the oldest first; one may be there more than once.
fn leased(entries: &[Entry]) -> impl Iterator<Item = Ipv6Addr> {
    entries.iter().filter_map(|entry| match &entry.change {
        Change::AddRoute(route) if route.kind == RouteKind::Unreachable && route.prefix_len == 128 => {
            Some(route.destination)
        }
        _ => None,
    })
}

/// Each change is logged, and journalled before it is made.
async fn make_true(network: &Network, journal: &mut Journal, desired: &[Requirement]) -> Result<()> {
    let observed = network.observe(desired).await?;
    Ok(carry_out(network, journal, plan(desired, &observed)).await?)
}

/// An address that somebody has put back on the uplink and uses there is left to them.
fn refuse_if_used(address: Ipv6Addr, uplink: &str, observed: &Observed) -> Result<()> {
    if observed.addresses_of(uplink).iter().any(|entry| entry.address == address) {
        uplink_guard::check_sockets(&[address])?;
    }
    Ok(())
}
