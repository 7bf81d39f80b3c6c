//! Making the host carry a lease: the guard, the plan, the journal, the kernel.

use crate::config::Config;
use crate::uplink::Uplink;
use crate::{uplink_guard, uplink_plan};
use anyhow::Result;
use std::net::Ipv6Addr;
use v6tun_host::network::{Journal, Network, Requirement, carry_out, plan};

/// The host's side of the server: what was changed so far, and how it is changed.
pub(crate) struct Lending<'a> {
    pub(crate) network: &'a Network,
    pub(crate) journal: Journal,
    config: &'a Config,
    named_uplink: String,
    /// Addresses that the host carries, in the order of their leases.
    lent: Vec<Ipv6Addr>,
}

impl<'a> Lending<'a> {
    pub(crate) fn new(network: &'a Network, journal: Journal, config: &'a Config, uplink: &Uplink) -> Self {
        Self { network, journal, config, named_uplink: uplink.link.name.clone(), lent: Vec::new() }
    }

    /// Makes the requirements true; each change is logged, and journalled before it is made.
    pub(crate) async fn reconcile(&mut self, desired: &[Requirement]) -> Result<()> {
        let observed = self.network.observe(desired).await?;
        let changes = plan(desired, &observed);
        Ok(carry_out(self.network, &mut self.journal, changes).await?)
    }

    /// Makes the host carry one lease. A second call for the same address finds nothing to do.
    pub(crate) async fn lend(&mut self, address: Ipv6Addr) -> Result<()> {
        let uplink = Uplink::find(self.network, Some(&self.named_uplink)).await?;
        uplink_guard::check_unused(address, &uplink)?;
        if !self.lent.contains(&address) {
            self.lent.push(address);
        }
        let desired = uplink_plan::lease(address, &self.lent, &self.config.interface, &uplink);
        self.reconcile(&desired).await
    }
}
