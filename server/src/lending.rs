//! Making the host carry a lease: the guard, the plan, the journal, the kernel.

use crate::config::Config;
use crate::uplink::Uplink;
use crate::{uplink_guard, uplink_plan};
use anyhow::Result;
use std::net::Ipv6Addr;
use tracing::warn;
use v6tun_host::network::{Journal, Network, Requirement, carry_out, plan};

/// The host's side of the server: what must be true of it, and what was changed so far.
pub(crate) struct Lending<'a> {
    network: &'a Network,
    /// Every change that is not undone yet.
    journal: &'a mut Journal,
    interface: &'a str,
    uplink: String,
    /// All that must be true: of the start and of each lease so far.
    desired: Vec<Requirement>,
    /// Addresses that the host carries, in the order of their leases.
    lent: Vec<Ipv6Addr>,
    /// Why the host could not be repaired when it was last looked at; said once.
    unrepaired: Option<String>,
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
            interface: &config.interface,
            uplink: uplink.link.name.clone(),
            desired: uplink_plan::startup(config, uplink),
            lent: Vec::new(),
            unrepaired: None,
        }
    }

    /// Makes everything true that must be; each change is logged, and journalled before it is made. A lent
    /// address that somebody has put back on the uplink and uses there is left to them.
    pub(crate) async fn reconcile(&mut self) -> Result<()> {
        let observed = self.network.observe(&self.desired).await?;
        let standing = observed.addresses_of(&self.uplink).iter().map(|entry| entry.address);
        let put_back: Vec<Ipv6Addr> = standing.filter(|address| self.lent.contains(address)).collect();
        uplink_guard::check_sockets(&put_back)?;
        let changes = plan(&self.desired, &observed);
        Ok(carry_out(self.network, self.journal, changes).await?)
    }

    /// Makes the host carry one lease. A second call for the same address finds nothing to do.
    pub(crate) async fn lend(&mut self, address: Ipv6Addr) -> Result<()> {
        if !self.lent.contains(&address) {
            let uplink = Uplink::find(self.network, Some(&self.uplink)).await?;
            uplink_guard::check_sockets(&[address])?;
            self.lent.push(address);
            let lease = uplink_plan::lease(address, &self.lent, self.interface, &uplink);
            self.desired.extend(lease);
        }
        self.reconcile().await
    }

    /// Puts right what somebody else has changed since the last look.
    pub(crate) async fn look_again(&mut self) {
        let unrepaired = self.reconcile().await.err().map(|error| format!("{error:#}"));
        if let Some(why) = unrepaired.as_ref().filter(|_| unrepaired != self.unrepaired) {
            warn!("the host is not as it must be: {why}");
        }
        self.unrepaired = unrepaired;
    }
}
