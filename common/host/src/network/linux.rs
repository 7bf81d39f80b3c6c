//! The Linux kernel's network: rtnetlink and `/proc/sys`.

mod address;
mod bystanders;
mod chains;
mod filter_table;
mod identity;
mod link;
mod netlink;
mod proxy_ndp;
mod route;
mod stand_in;
mod sysctl;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use self::chains::Chains;
use self::filter_table::FilterTables;
use self::netlink::{Netlink, orders_in_one_breath};
pub(super) use self::stand_in::StandIns;
use self::sysctl::SysctlTree;
pub use self::watch::AddressWatch;
use super::link_names::with_todays_names;
use super::{
    ChainOpening, Change, DefaultRoute, Entry, FilterTable, InterfaceAddress, Link, NetworkError, Observed,
    Prefix, Proxy, Requirement, Route, RouteTo, SeenTable, SysctlKey,
};
use crate::neighbour_discovery::{Advertisement, NeighbourProbe, send_unsolicited_advertisement};

/// The network namespace that the thread was in when this was opened.
///
/// Settings are read and written in the namespace of the thread that polls: both must be the same.
#[derive(Debug, Clone)]
pub struct Network {
    netlink: Netlink,
    sysctls: SysctlTree,
    filter_tables: FilterTables,
    chains: Chains,
}

impl Network {
    /// Opens the kernel's network. Must be called within a tokio runtime that has I/O enabled.
    ///
    /// # Errors
    /// If no netlink socket can be had.
    pub fn open() -> Result<Self, NetworkError> {
        Self::open_with_sysctls("/proc/sys")
    }

    /// As [`open`](Self::open), with the settings in another folder than `/proc/sys`.
    ///
    /// # Errors
    /// If no netlink socket can be had.
    pub fn open_with_sysctls(root: impl Into<std::path::PathBuf>) -> Result<Self, NetworkError> {
        let netlink = Netlink::open().map_err(|e| NetworkError::new("open a netlink socket", e))?;
        Ok(Self {
            netlink,
            sysctls: SysctlTree::new(root),
            filter_tables: FilterTables::default(),
            chains: Chains::default(),
        })
    }

    /// Seconds since boot, sleep included.
    #[must_use]
    pub fn boot_seconds(&self) -> u64 {
        identity::boot_seconds()
    }

    /// The state that [`plan`](super::plan) compares these requirements with.
    ///
    /// # Errors
    /// If the kernel refuses a dump.
    pub async fn observe(&self, requirements: &[Requirement]) -> Result<Observed, NetworkError> {
        let keys = requirements.iter().filter_map(|requirement| match requirement {
            Requirement::Sysctl { key, .. } => Some(key),
            _ => None,
        });
        let mut observed = self.observe_with(keys).await?;
        observed.filter_tables =
            self.look_at_tables(requirements.iter().filter_map(|requirement| match requirement {
                Requirement::FilterTable(table) => Some(table),
                _ => None,
            }));
        let opened = requirements.iter().filter_map(|requirement| match requirement {
            Requirement::ForwardingOpen { link } => Some(link.as_str()),
            _ => None,
        });
        self.look_at_chains(opened, &[], &mut observed);
        Ok(observed)
    }

    /// The state that [`undo`](super::undo) compares these entries with.
    ///
    /// # Errors
    /// If the kernel refuses a dump.
    pub async fn observe_for_undo(&self, entries: &[Entry]) -> Result<Observed, NetworkError> {
        let entries = with_todays_names(entries, &self.links().await?);
        let keys = entries.iter().filter_map(|entry| match &entry.change {
            Change::SetSysctl { key, .. } => Some(key),
            _ => None,
        });
        let mut observed = self.observe_with(keys).await?;
        observed.filter_tables =
            self.look_at_tables(entries.iter().filter_map(|entry| match &entry.change {
                Change::SetFilterTable(table) => Some(table),
                _ => None,
            }));
        let opened: Vec<&ChainOpening> = entries
            .iter()
            .filter_map(|entry| match &entry.change {
                Change::OpenChain(opening) => Some(opening),
                _ => None,
            })
            .collect();
        self.look_at_chains(opened.iter().map(|opening| opening.link.as_str()), &opened, &mut observed);
        let ways: BTreeSet<&str> = entries
            .iter()
            .filter_map(|entry| match &entry.change {
                Change::LoseRouteSource(route) => Some(route.way.as_str()),
                _ => None,
            })
            .collect();
        if !ways.is_empty() {
            let failed = |e| NetworkError::new("list the routes", e);
            let routes = route::dump_messages(&self.netlink).await.map_err(failed)?;
            let sourceless = bystanders::sourceless_ways(&routes);
            observed.sourceless_ways = sourceless.filter(|way| ways.contains(way.as_str())).collect();
        }
        Ok(observed)
    }

    /// A setting's value; `None` if the kernel has no such setting.
    ///
    /// # Errors
    /// If it exists and cannot be read.
    pub fn sysctl(&self, key: &SysctlKey) -> Result<Option<String>, NetworkError> {
        self.sysctls.read(key).map_err(|e| NetworkError::new(format!("read sysctl {key}"), e))
    }

    /// The default route of the lowest metric, if there is one.
    ///
    /// # Errors
    /// If the kernel refuses a dump.
    pub async fn default_route(&self) -> Result<Option<DefaultRoute>, NetworkError> {
        Ok(self.observe(&[]).await?.default_route())
    }

    /// How the host would send to `destination`; `None` if it would not.
    ///
    /// # Errors
    /// If the kernel refuses the question.
    pub async fn route_to(&self, destination: IpAddr) -> Result<Option<RouteTo>, NetworkError> {
        let failed = |e| NetworkError::new(format!("look up the route to {destination}"), e);
        let links = self.links().await?;
        route::look_up(&self.netlink, destination, &links).await.map_err(failed)
    }

    /// Begins to ask whether a neighbour on the link has this address.
    ///
    /// # Errors
    /// If there is no such link, it is down or without any IPv6 address, or the process may not open a raw socket.
    pub async fn probe(&self, link: &str, target: Ipv6Addr) -> Result<NeighbourProbe, NetworkError> {
        let failed = |e| NetworkError::new(format!("look for {target} among the neighbours on {link}"), e);
        let observed = self.observe(&[]).await?;
        let found = observed.link(link).ok_or_else(|| failed(no_such_link()))?;
        NeighbourProbe::start(found, observed.link_local_of(link), target).map_err(failed)
    }

    /// Every link's IPv4 addresses of global scope, by link name, in the kernel's order. The one that the host sends
    /// from towards the Internet is [`route_to`](Self::route_to)'s source for a destination there.
    ///
    /// # Errors
    /// If the kernel refuses a dump.
    pub async fn ipv4_addresses(&self) -> Result<BTreeMap<String, Vec<Ipv4Addr>>, NetworkError> {
        let failed = |e| NetworkError::new("list the IPv4 addresses", e);
        let links = self.links().await?;
        address::dump_ipv4(&self.netlink, &links).await.map_err(failed)
    }

    /// Makes one change. Its work found done already is success.
    ///
    /// # Errors
    /// If the kernel refuses it, or its link does not exist.
    pub async fn apply(&self, change: &Change) -> Result<(), NetworkError> {
        let failed = |e| NetworkError::new(change.description(), e);
        let result = match (self.try_apply(change).await, change) {
            (Err(error), Change::AddRoute(route)) if is_already_there(&error) => {
                self.explain_existing_route(route, error).await
            }
            (result, _) => result,
        };
        match result {
            Err(error) if is_done_already(change, &error) => {
                tracing::debug!("{change}: already so");
                Ok(())
            }
            result => result.map_err(failed),
        }
    }

    async fn try_apply(&self, change: &Change) -> io::Result<()> {
        match change {
            Change::SetSysctl { key, to, .. } => self.sysctls.write(key, to),
            Change::SetAllForwarding { to, .. } => self.sysctls.write(&SysctlKey::all_forwarding(), to),
            Change::SetLinkForwarding { link, to, .. } => {
                self.sysctls.write(&SysctlKey::forwarding_of(link), to)
            }
            Change::AddAddress { link, address } => address::add(self.index_of(link).await?, address),
            Change::DeleteAddress { link, address, .. } => {
                let routes = route::dump_messages(&self.netlink).await?;
                address::delete(self.index_of(link).await?, address, &routes)
            }
            Change::RaiseAddress { link, address, .. } => {
                let routes = route::dump_messages(&self.netlink).await?;
                address::raise(self.index_of(link).await?, address, &routes)
            }
            Change::LoseRouteSource(_) | Change::LeaveTun { .. } => Ok(()),
            Change::SetInterfaceMetric { .. }
            | Change::SetNameServers { .. }
            | Change::AddFirewallRule(_)
            | Change::DeleteFirewallRule(_) => Err(io::ErrorKind::Unsupported.into()),
            Change::GiveRouteSource(route) => {
                let routes = route::dump_messages(&self.netlink).await?;
                orders_in_one_breath(bystanders::give_source(&routes, route))?.into_iter().collect()
            }
            Change::SetLinkUp { link, mtu } => {
                link::set_up(&self.netlink, self.index_of(link).await?, *mtu).await
            }
            Change::DeleteTun { link } => link::delete(&self.netlink, self.index_of(link).await?).await,
            Change::AddRoute(route) | Change::DeleteRoute(route) => {
                let index = match &route.link {
                    Some(link) => Some(self.index_of(link).await?),
                    None => None,
                };
                if change.is_removal() {
                    route::delete(&self.netlink, route, index).await
                } else {
                    route::add(&self.netlink, route, index).await
                }
            }
            Change::AddProxy { link, address } => {
                proxy_ndp::add(&self.netlink, self.index_of(link).await?, *address).await
            }
            Change::DeleteProxy { link, address } => {
                proxy_ndp::delete(&self.netlink, self.index_of(link).await?, *address).await
            }
            Change::SetFilterTable(table) => self.filter_tables.set(table),
            Change::OpenChain(opening) => self.chains.open(opening),
            Change::CloseChain(opening) => self.chains.close(opening),
            Change::DeleteFilterTable(table) => self.filter_tables.delete(&table.name),
            Change::Announce { link, address } => self.announce(link, *address).await,
        }
    }

    /// The kernel says `EEXIST` also where only destination and metric are equal. Leaves that error where the
    /// very same route is there.
    async fn explain_existing_route(&self, route: &Route, error: io::Error) -> io::Result<()> {
        let links = link::dump(&self.netlink).await?;
        let routes = route::of_main_table(&route::dump_messages(&self.netlink).await?, &links);
        if routes.iter().any(|found| found.is_same_way_as(route)) {
            return Err(error);
        }
        let other = routes.iter().find(|found| found.is_in_the_way_of(route)).map(ToString::to_string);
        let other = other.map_or(String::new(), |other| format!(" ({other})"));
        let message = format!("another route{other} stands in the way");
        Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
    }

    async fn announce(&self, name: &str, target: Ipv6Addr) -> io::Result<()> {
        let links = link::dump(&self.netlink).await?;
        let link = links.iter().find(|link| link.name == name).ok_or_else(no_such_link)?;
        let addresses = address::dump(&self.netlink, &links).await?;
        let observed = Observed { addresses, ..Observed::default() };
        let source = observed.link_local_of(name).ok_or_else(|| {
            io::Error::new(io::ErrorKind::AddrNotAvailable, "the link has no usable link-local address")
        })?;
        let forwarding = self.sysctls.read(&SysctlKey::forwarding_of(name))?;
        send_unsolicited_advertisement(&Advertisement {
            link_index: link.index,
            source,
            link_layer_address: &link.mac,
            target,
            router: forwarding.is_some_and(|value| value != "0"),
        })
    }

    pub(super) async fn links(&self) -> Result<Vec<Link>, NetworkError> {
        link::dump(&self.netlink).await.map_err(|e| NetworkError::new("list the links", e))
    }

    async fn index_of(&self, name: &str) -> io::Result<u32> {
        let links = link::dump(&self.netlink).await?;
        links.iter().find(|link| link.name == name).map(|link| link.index).ok_or_else(no_such_link)
    }

    async fn observe_with(&self, keys: impl Iterator<Item = &SysctlKey>) -> Result<Observed, NetworkError> {
        let failed = |what: &str| {
            let operation = format!("list the {what}");
            move |e| NetworkError::new(operation, e)
        };
        let messages = link::dump_messages(&self.netlink).await.map_err(failed("links"))?;
        let nowhere: Vec<u32> =
            messages.iter().filter(|link| link::leads_nowhere(link)).map(|link| link.header.index).collect();
        let links: Vec<Link> = messages.into_iter().map(link::link).collect();
        let addresses = address::dump(&self.netlink, &links).await.map_err(failed("addresses"))?;
        let mut routes = route::dump_all_messages(&self.netlink).await.map_err(failed("routes"))?;
        let mut ends_here: Vec<Prefix> = routes.iter().filter_map(route::end).collect();
        let on_nowhere = links.iter().filter(|link| nowhere.contains(&link.index));
        let on_nowhere = on_nowhere.filter_map(|link| addresses.get(&link.name)).flatten();
        ends_here.extend(on_nowhere.map(InterfaceAddress::prefix).filter(|prefix| prefix.prefix_len < 128));
        routes.retain(|route| !route::is_of_local_table(route));
        let sourced_routes = bystanders::sourced(&routes, &links);
        let routes = route::of_main_table(&routes, &links);
        let proxies = proxy_ndp::dump(&self.netlink).await.map_err(failed("neighbour proxy entries"))?;
        let proxies = proxies
            .into_iter()
            .filter_map(|(index, address)| {
                let link = links.iter().find(|link| link.index == index)?.name.clone();
                Some(Proxy { link, address })
            })
            .collect();
        let sysctls = self.read_sysctls(&links, keys)?;
        Ok(Observed {
            links,
            addresses,
            routes,
            ends_here,
            sourced_routes,
            sourceless_ways: BTreeSet::new(),
            proxies,
            sysctls,
            boot_seconds: self.boot_seconds(),
            ..Observed::default()
        })
    }

    /// Those of these tables that exist. One that `nft` does not tell of may: whoever sets or deletes it then is told why
    /// that fails, and nothing else waits for it.
    fn look_at_tables<'a>(
        &self,
        tables: impl Iterator<Item = &'a FilterTable>,
    ) -> BTreeMap<String, SeenTable> {
        let seen = tables.filter_map(|FilterTable { name, .. }| {
            let seen = self.filter_tables.look(name).unwrap_or_else(|error| {
                tracing::debug!("cannot look at the table ip6 {name} of nftables: {error}");
                Some(SeenTable::Other)
            });
            Some((name.clone(), seen?))
        });
        seen.collect()
    }

    /// The chains of others that are in the way of these links, and those that are opened to them: `known` ones as well,
    /// where `nft` does not tell.
    fn look_at_chains<'a>(
        &self,
        links: impl Iterator<Item = &'a str>,
        known: &[&ChainOpening],
        observed: &mut Observed,
    ) {
        for link in links.collect::<BTreeSet<_>>() {
            let (closed, opened) = self.chains.look(link).unwrap_or_else(|error| {
                tracing::debug!("cannot look at the rules of nftables: {error}");
                let of_link = known.iter().filter(|opening| opening.link == link);
                (Vec::new(), of_link.map(|opening| (*opening).clone()).collect())
            });
            observed.closed_chains.extend(closed);
            observed.opened_chains.extend(opened);
        }
    }

    /// The settings that are asked for, and of every link those that decide on forwarding and default route.
    fn read_sysctls<'a>(
        &self,
        links: &[Link],
        keys: impl Iterator<Item = &'a SysctlKey>,
    ) -> Result<BTreeMap<SysctlKey, String>, NetworkError> {
        let names = links.iter().map(|link| link.name.as_str()).chain(["all", "default"]);
        let mut wanted: Vec<SysctlKey> = keys.cloned().collect();
        for name in names {
            wanted.extend(SysctlKey::ipv6_conf(name, "forwarding").ok());
            wanted.extend(SysctlKey::ipv6_conf(name, "accept_ra").ok());
        }
        let mut found = BTreeMap::new();
        for key in wanted {
            if let Some(value) = self.sysctl(&key)? {
                found.insert(key, value);
            }
        }
        Ok(found)
    }
}

fn is_already_there(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::EXIST.raw_os_error())
}

/// Whether the error says that there was nothing to do.
fn is_done_already(change: &Change, error: &io::Error) -> bool {
    use rustix::io::Errno;
    let Some(code) = error.raw_os_error() else { return false };
    let code = Errno::from_raw_os_error(code);
    match change {
        Change::AddAddress { .. } | Change::AddRoute(_) | Change::AddProxy { .. } => code == Errno::EXIST,
        // With the link everything on it has gone.
        change if change.is_removal() => {
            [Errno::NOENT, Errno::SRCH, Errno::NODEV, Errno::ADDRNOTAVAIL].contains(&code)
        }
        _ => false,
    }
}

fn no_such_link() -> io::Error {
    rustix::io::Errno::NODEV.into()
}

#[cfg(test)]
mod tests;
