//! The PC's network by the IP Helper functions, in IPv6 alone: of IPv4 only the way to an address is asked for.
//!
//! Links are found by their name and handled by their LUID. A [`Route`](super::Route)'s metric is the route's own part,
//! as Windows stores it; what is compared is the sum with the link's ([`Observed::metric_of`]), so that a link whose
//! metric Windows chooses anew leaves the routes what they are.

mod address;
mod firewall;
mod identity;
mod interface;
mod name_servers;
mod route;
mod socket_address;
mod table;
mod watch;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

pub use self::firewall::delete_firewall_rules;
pub use self::watch::AddressWatch;
use super::link_names::with_todays_names;
use super::windows_rows::{Adapter, address_in_the_way, is_gone, is_there, route_in_the_way};
use super::{
    Change, Entry, FirewallRule, InterfaceAddress, Link, NetworkError, Observed, Requirement, Route, RouteTo,
};

/// What stands in for addresses that are being put back: nothing.
#[derive(Debug)]
pub(super) struct StandIns;

/// The PC's network.
#[derive(Debug, Clone)]
pub struct Network {}

/// How often, and how far apart, an adapter that was just made is looked for: Windows attaches IPv6 to it in its own
/// time, some tenths of a second. Five seconds in all, after which IPv6 is off.
const READY_LOOKS: u32 = 100;
const READY_PAUSE: Duration = Duration::from_millis(50);

/// How often, and how far apart, Windows is asked whether it has taken the addresses into use.
const SETTLE_LOOKS: u32 = 200;
const SETTLE_PAUSE: Duration = Duration::from_millis(5);

impl Network {
    /// Opens it.
    ///
    /// # Errors
    /// None today.
    pub fn open() -> Result<Self, NetworkError> {
        Ok(Self {})
    }

    /// Seconds since boot, sleep included.
    #[must_use]
    pub fn boot_seconds(&self) -> u64 {
        identity::boot_seconds()
    }

    /// The state that [`plan`](super::plan) compares these requirements with.
    ///
    /// # Errors
    /// If Windows refuses a table.
    pub async fn observe(&self, requirements: &[Requirement]) -> Result<Observed, NetworkError> {
        let named = requirements.iter().filter_map(|requirement| match requirement {
            Requirement::NameServers { link, .. } => Some(link.as_str()),
            _ => None,
        });
        let mut expected = requirements.iter().filter_map(|requirement| match requirement {
            Requirement::FirewallRules { rules, .. } => Some(rules.as_slice()),
            _ => None,
        });
        let rules = match expected.next() {
            Some(first) => {
                let expected: Vec<FirewallRule> =
                    expected.fold(first.to_vec(), |all, more| [&all, more].concat());
                firewall::look(expected).await.map_err(cannot_list_rules)?
            }
            None => Vec::new(),
        };
        self.look(named.collect(), rules)
    }

    /// The state that [`undo`](super::undo) compares these entries with.
    ///
    /// # Errors
    /// If Windows refuses a table.
    pub async fn observe_for_undo(&self, entries: &[Entry]) -> Result<Observed, NetworkError> {
        let entries = with_todays_names(entries, &self.links().await?);
        let named = entries.iter().filter_map(|entry| match &entry.change {
            Change::SetNameServers { link, .. } => Some(link.as_str()),
            _ => None,
        });
        let is_firewall = |entry: &Entry| {
            matches!(entry.change, Change::AddFirewallRule(_) | Change::DeleteFirewallRule(_))
        };
        let rules = match entries.iter().any(is_firewall) {
            true => firewall::look_through().await.map_err(cannot_list_rules)?,
            false => Vec::new(),
        };
        self.look(named.collect(), rules)
    }

    /// The default route that Windows prefers, if there is one.
    ///
    /// # Errors
    /// If Windows refuses a table.
    pub async fn default_route(&self) -> Result<Option<super::DefaultRoute>, NetworkError> {
        Ok(self.observe(&[]).await?.default_route())
    }

    /// How the PC would send to `destination`; `None` if it would not.
    ///
    /// # Errors
    /// If Windows refuses the question.
    pub async fn route_to(&self, destination: IpAddr) -> Result<Option<RouteTo>, NetworkError> {
        let failed = |e| NetworkError::new(format!("look up the route to {destination}"), e);
        interface::adapters().and_then(|adapters| route::look_up(destination, &adapters)).map_err(failed)
    }

    /// Nothing has to stand in: no address is taken off a link to be put back.
    pub(super) async fn stand_in(&self, _changes: &[Change]) -> io::Result<StandIns> {
        Ok(StandIns)
    }

    /// Waits until Windows has taken these addresses into use, a second at the most.
    pub(crate) async fn settle(&self, addresses: &[Ipv6Addr]) -> Result<(), NetworkError> {
        let failed = |e| NetworkError::new("look at the PC's own addresses", e);
        for _ in 0..SETTLE_LOOKS {
            if address::are_usable(addresses).map_err(failed)? {
                return Ok(());
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
        tracing::debug!("Windows has not taken every address into use");
        Ok(())
    }

    /// Makes one change. Its work found done already is success.
    ///
    /// # Errors
    /// If Windows refuses it, or its link does not exist.
    pub async fn apply(&self, change: &Change) -> Result<(), NetworkError> {
        match self.try_apply(change).await {
            Err(error) if change.is_removal() && is_gone(&error) => {
                tracing::debug!("{change}: already so");
                Ok(())
            }
            result => result.map_err(|e| NetworkError::new(change.description(), e)),
        }
    }

    async fn try_apply(&self, change: &Change) -> io::Result<()> {
        match change {
            Change::AddAddress { link, address } => self.add_address(link, address).await,
            Change::DeleteAddress { link, address, .. } => address::delete(existing(link)?, address.address),
            Change::SetLinkUp { link, mtu } => when_ready(link, |luid| interface::set_up(luid, *mtu)).await,
            Change::SetInterfaceMetric { link, to, .. } => {
                when_ready(link, |luid| interface::set_metric(luid, *to)).await
            }
            Change::SetNameServers { link, to, .. } => {
                when_ready(link, |luid| name_servers::set(interface::guid_of(luid)?, to)).await
            }
            Change::AddRoute(route) => self.add_route(route).await,
            Change::DeleteRoute(route) => route::delete(existing(link_of(route)?)?, route),
            Change::AddFirewallRule(rule) => firewall::add(rule.clone()).await,
            Change::DeleteFirewallRule(rule) => firewall::delete(rule.clone()).await,
            Change::SetSysctl { .. }
            | Change::SetAllForwarding { .. }
            | Change::SetLinkForwarding { .. }
            | Change::RaiseAddress { .. }
            | Change::LoseRouteSource(_)
            | Change::GiveRouteSource(_)
            | Change::AddProxy { .. }
            | Change::DeleteProxy { .. }
            | Change::SetFilterTable(_)
            | Change::DeleteFilterTable(_)
            | Change::LeaveTun { .. }
            | Change::DeleteTun { .. }
            | Change::OpenChain(_)
            | Change::CloseChain(_)
            | Change::Announce { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    async fn add_address(&self, link: &str, address: &InterfaceAddress) -> io::Result<()> {
        match when_ready(link, |luid| address::add(luid, address)).await {
            Err(error) if is_there(&error) => {
                let addresses = address::by_link(&interface::adapters()?)?;
                address_in_the_way(address.address, link, &addresses)?;
            }
            result => result?,
        }
        // Whoever is told that the tunnel is up may use the address at once.
        self.settle(&[address.address]).await.map_err(io::Error::other)
    }

    async fn add_route(&self, route: &Route) -> io::Result<()> {
        match when_ready(link_of(route)?, |luid| route::add(luid, route)).await {
            Err(error) if is_there(&error) => route_in_the_way(route, &route::over(&interface::adapters()?)?),
            result => result,
        }
    }

    pub(super) async fn links(&self) -> Result<Vec<Link>, NetworkError> {
        Ok(adapters()?.into_iter().map(|adapter| adapter.link).collect())
    }

    fn look(&self, named: Vec<&str>, firewall_rules: Vec<FirewallRule>) -> Result<Observed, NetworkError> {
        let failed = |what: &str| {
            let operation = format!("list the {what}");
            move |e| NetworkError::new(operation, e)
        };
        let adapters = adapters()?;
        let addresses = address::by_link(&adapters).map_err(failed("addresses"))?;
        let routes = route::over(&adapters).map_err(failed("routes"))?;
        let name_servers = name_servers_of(&adapters, &named)?;
        let name = |adapter: &Adapter| adapter.link.name.clone();
        let ipv6 = || adapters.iter().filter_map(|adapter| Some((name(adapter), adapter.ipv6?)));
        Ok(Observed {
            addresses,
            routes,
            metrics: ipv6().map(|(name, row)| (name, row.chosen_metric())).collect(),
            link_metrics: ipv6().map(|(name, row)| (name, row.metric)).collect(),
            name_servers,
            firewall_rules,
            boot_seconds: self.boot_seconds(),
            links: adapters.into_iter().map(|adapter| adapter.link).collect(),
            ..Observed::default()
        })
    }
}

fn cannot_list_rules(error: io::Error) -> NetworkError {
    NetworkError::new("list the firewall's rules", error)
}

fn adapters() -> Result<Vec<Adapter>, NetworkError> {
    interface::adapters().map_err(|e| NetworkError::new("list the adapters", e))
}

/// The name servers of those of these links that there are.
fn name_servers_of(
    adapters: &[Adapter],
    names: &[&str],
) -> Result<BTreeMap<String, Vec<Ipv6Addr>>, NetworkError> {
    let named = adapters.iter().filter(|adapter| names.contains(&adapter.link.name.as_str()));
    let servers = named.map(|adapter| {
        let name = &adapter.link.name;
        let found = interface::guid_of(adapter.luid).and_then(name_servers::get);
        let failed = |e| NetworkError::new(format!("look at the name servers of {name}"), e);
        found.map(|found| (name.clone(), found)).map_err(failed)
    });
    servers.collect()
}

/// Does something to an adapter by its LUID, as soon as that has IPv6 and Windows finds it.
async fn when_ready(link: &str, act: impl Fn(u64) -> io::Result<()>) -> io::Result<()> {
    let mut refusal = no_ipv6();
    for _ in 0..READY_LOOKS {
        let luid = existing(link)?;
        if interface::has_ipv6(luid)? {
            match act(luid) {
                Err(error) if is_gone(&error) => refusal = error,
                result => return result,
            }
        }
        tokio::time::sleep(READY_PAUSE).await;
    }
    Err(refusal)
}

fn no_ipv6() -> io::Error {
    let message = "IPv6 is switched off on it, or on this PC (DisabledComponents in the registry)";
    io::Error::new(io::ErrorKind::Unsupported, message)
}

fn existing(link: &str) -> io::Result<u64> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no adapter called {link}"));
    interface::luid_of(link).ok_or_else(missing)
}

fn link_of(route: &Route) -> io::Result<&str> {
    let missing = || io::Error::new(io::ErrorKind::Unsupported, "Windows has no route without an adapter");
    route.link.as_deref().ok_or_else(missing)
}
