//! Making the host carry a lease: the guard, the plan, the journal, the kernel.

use crate::config::Config;
use crate::uplink::Uplink;
use crate::{uplink_guard, uplink_plan};
use anyhow::Result;
use std::net::Ipv6Addr;
use tracing::warn;
use v6tun_host::network::{Journal, Network, Observed, Requirement, carry_out, plan};

/// The host's side of the server: what must be true of it, and what was changed so far.
pub(crate) struct Lending<'a> {
    network: &'a Network,
    /// Every change that is not undone yet.
    journal: &'a mut Journal,
    config: &'a Config,
    uplink: String,
    /// What must be true before the first lease.
    startup: Vec<Requirement>,
    /// What must be true for each lease, in the order of their beginnings.
    leases: Vec<(Ipv6Addr, Vec<Requirement>)>,
    /// Why the host could not be repaired when it was last looked at; said once.
    unrepaired: Vec<String>,
}

impl<'a> Lending<'a> {
    pub(crate) fn new(
        network: &'a Network,
        journal: &'a mut Journal,
        config: &'a Config,
        uplink: &Uplink,
    ) -> Self {
        Self {
            network,
            journal,
            config,
            uplink: uplink.link.name.clone(),
            startup: uplink_plan::startup(config, uplink),
            leases: Vec::new(),
            unrepaired: Vec::new(),
        }
    }

    /// Makes the host what it must be before the first lease.
    pub(crate) async fn prepare(&mut self) -> Result<()> {
        make_true(self.network, self.journal, &self.startup).await
    }

    /// Makes the host carry one lease. A second call for the same address finds nothing to do.
    pub(crate) async fn lend(&mut self, address: Ipv6Addr) -> Result<()> {
        if let Some((_, lease)) = self.leases.iter().find(|(lent, _)| *lent == address) {
            return make_true(self.network, self.journal, lease).await;
        }
        let uplink = Uplink::find(self.network, Some(&self.uplink)).await?;
        uplink_guard::check_sockets(&[address])?;
        let mut lent: Vec<Ipv6Addr> = self.leases.iter().map(|(lent, _)| *lent).collect();
        lent.push(address);
        let lease = uplink_plan::lease(address, &lent, self.config, &uplink);
        make_true(self.network, self.journal, &lease).await?;
        self.leases.push((address, lease));
        Ok(())
    }

    /// Puts right what somebody else has changed since the last look. What fails costs nothing else.
    pub(crate) async fn look_again(&mut self) {
        let unrepaired = match self.network.observe(&self.startup).await {
            Ok(observed) => self.repair(&observed).await,
            Err(error) => vec![error.to_string()],
        };
        for why in unrepaired.iter().filter(|why| !self.unrepaired.contains(why)) {
            warn!("the host is not as it must be: {why}");
        }
        self.unrepaired = unrepaired;
    }

    /// One look serves all leases: with hundreds of them each has hundreds of routes and entries to read.
    async fn repair(&mut self, observed: &Observed) -> Vec<String> {
        let mut unrepaired = Vec::new();
        let changes = plan(&self.startup, observed);
        if let Err(error) = carry_out(self.network, self.journal, changes).await {
            unrepaired.push(error.to_string());
        }
        for (address, lease) in &self.leases {
            let changes = plan(lease, observed);
            let repaired = match refuse_if_used(*address, &self.uplink, observed) {
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
