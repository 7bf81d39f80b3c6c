//! What kind of IPv6 a provider gives this host, and so which addresses it can lend: pure, from [`Facts`].
//!
//! | shape | what is seen | the pool |
//! | --- | --- | --- |
//! | routed | a prefix that the provider routes to the host | addresses made from it |
//! | listed | two or more addresses that somebody set on the uplink | those, without what the host needs |
//! | on-link | one address, or only learnt ones, in a prefix on the link | addresses made from the prefix |
//!
//! The first that fits is taken: a routed prefix is this host's alone, and a provider that lists addresses may
//! accept no others.

mod facts;

pub(crate) use facts::{Facts, INTERNET_IPV6, PublicIpv4, RouteOrigin};

use crate::uplink::{INTERFACE_PREFIX, Uplink};
use std::cmp::Reverse;
use std::net::Ipv6Addr;
use v6tun_host::network::{InterfaceAddress, Prefix, address_flags};
use v6tun_proto::lease::{Pool, PoolPrefix};

/// `IFAPROT_KERNEL_RA` (linux/if_addr.h): made by the kernel from a router advertisement.
const PROTOCOL_KERNEL_RA: u8 = 2;

/// Which addresses this host can lend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostShape {
    /// Those of a prefix that is routed to this host.
    Routed {
        /// The prefix.
        prefix: PoolPrefix,
    },
    /// Those that are listed on the uplink.
    Listed {
        /// Those to lend, in the order in which they are lent.
        addresses: Vec<Ipv6Addr>,
        /// Those that the host keeps.
        kept: Vec<Kept>,
    },
    /// Those of a prefix whose addresses are looked for on the uplink's link.
    OnLink {
        /// The prefix.
        prefix: PoolPrefix,
    },
}

/// An address that is not lent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) address: Ipv6Addr,
    /// Why, to stand in parentheses behind it.
    pub(crate) why: String,
}

/// It cannot be told what to lend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unclear {
    /// What was seen.
    pub(crate) what: String,
    /// The lines of `server.toml` that would decide it.
    pub(crate) lines: String,
}

impl HostShape {
    /// The first shape that fits the facts.
    pub(crate) fn of(facts: &Facts) -> Result<Self, Unclear> {
        if let Some(prefix) = widest(&facts.routed) {
            return Ok(Self::Routed { prefix });
        }
        let listed = listed(&facts.uplink);
        if listed.len() > 1 {
            return Self::of_listed(listed, facts);
        }
        match on_link_prefix(facts) {
            Some(prefix) if !facts.uplink.addresses.is_empty() => Ok(Self::OnLink { prefix }),
            _ => Err(no_pool(&facts.uplink)),
        }
    }

    /// All that the host does not need for itself.
    fn of_listed(mut listed: Vec<&InterfaceAddress>, facts: &Facts) -> Result<Self, Unclear> {
        // One with a route of its own comes last: it is the one that the provider calls the server's.
        let is_mixed = listed.iter().any(|entry| entry.prefix_len != 128);
        listed.sort_by_key(|entry| (is_mixed && entry.prefix_len == 128, entry.address));
        let mut kept = Vec::new();
        let mut addresses = Vec::new();
        for address in listed.iter().map(|entry| entry.address) {
            match facts.need(address) {
                Some(why) => kept.push(Kept { address, why }),
                None => addresses.push(address),
            }
        }
        if let Some(address) = last_one(&addresses, &facts.uplink) {
            addresses.retain(|one| *one != address);
            kept.push(Kept { address, why: "this host needs one for itself".to_owned() });
        }
        if addresses.is_empty() {
            return Err(all_needed(&kept, &facts.uplink));
        }
        Ok(Self::Listed { addresses, kept })
    }

    /// What `[pool]` says of it.
    pub(crate) fn pool(&self) -> Pool {
        match self {
            Self::Listed { addresses, .. } => Pool::Listed(addresses.clone()),
            Self::Routed { prefix } | Self::OnLink { prefix } => Pool::Derived(*prefix),
        }
    }

    /// Whether what is lent is routed to this host.
    pub(crate) fn is_routed(&self) -> bool {
        matches!(self, Self::Routed { .. })
    }
}

/// What the administrator or the provider's setup put on the uplink for good. What has a lifetime was learnt,
/// from router advertisements or by DHCPv6, and whoever learnt it would put it back.
fn listed(uplink: &Uplink) -> Vec<&InterfaceAddress> {
    let is_listed = |entry: &&InterfaceAddress| {
        const MADE: u32 = address_flags::TEMPORARY | address_flags::STABLE_PRIVACY;
        entry.flags & MADE == 0
            && entry.flags & address_flags::DADFAILED == 0
            && entry.protocol != PROTOCOL_KERNEL_RA
            && entry.valid.is_none()
    };
    uplink.addresses.iter().filter(is_listed).collect()
}

/// The address to leave where otherwise none would stay: the one that the kernel prefers.
fn last_one(lendable: &[Ipv6Addr], uplink: &Uplink) -> Option<Ipv6Addr> {
    let mut lasting = uplink.addresses.iter().filter(|entry| entry.flags & address_flags::TEMPORARY == 0);
    let stays = lasting.any(|entry| !lendable.contains(&entry.address));
    uplink.addresses.iter().map(|entry| entry.address).find(|address| !stays && lendable.contains(address))
}

/// The one that the host's own address lies in, before others. Of one that is wider than a /64, as some providers have
/// it for the way to their router, the /64 around that address: the rest is other customers'.
fn on_link_prefix(facts: &Facts) -> Option<PoolPrefix> {
    let uplink = &facts.uplink;
    let own = facts.preferred.into_iter().chain(uplink.addresses.iter().map(|entry| entry.address));
    let usable: Vec<PoolPrefix> = uplink.prefixes.iter().filter_map(usable).collect();
    let around = |address: Ipv6Addr| {
        let prefix = usable.iter().find(|prefix| prefix.contains(address))?;
        let narrow =
            PoolPrefix { address: Prefix::of(address, INTERFACE_PREFIX).address, len: INTERFACE_PREFIX };
        Some(if prefix.len < INTERFACE_PREFIX { narrow } else { *prefix })
    };
    own.filter_map(around).chain(usable.iter().copied()).next()
}

/// The one with most addresses; of equal ones the lowest.
fn widest(prefixes: &[Prefix]) -> Option<PoolPrefix> {
    prefixes.iter().filter_map(usable).max_by_key(|prefix| (Reverse(prefix.len), Reverse(prefix.address)))
}

/// A prefix of global addresses, neither too long nor too short to make addresses from.
fn usable(prefix: &Prefix) -> Option<PoolPrefix> {
    let pool = PoolPrefix { address: prefix.address, len: prefix.prefix_len };
    (crate::uplink::is_global(prefix.address) && pool.check().is_ok()).then_some(pool)
}

fn no_pool(uplink: &Uplink) -> Unclear {
    let link = &uplink.link.name;
    let addresses: Vec<String> =
        uplink.addresses.iter().map(|entry| format!("{}/{}", entry.address, entry.prefix_len)).collect();
    let prefixes: Vec<String> = uplink.prefixes.iter().map(ToString::to_string).collect();
    let or_none =
        |words: Vec<String>, none: &str| if words.is_empty() { none.to_owned() } else { words.join(", ") };
    let what = format!(
        "it is not clear which addresses this host can lend: {link} has the addresses {}; its link has {}; none is seen to be routed here",
        or_none(addresses, "none"),
        or_none(prefixes, "no prefix")
    );
    let has_lent = uplink.addresses.iter().any(|entry| entry.valid.is_some());
    let passed_over = if has_lent { "; those with a lifetime may go at any time" } else { "" };
    let lines = "`[pool]` and `addresses = [\"…\"]` with those that the provider gives, or `prefix = \"…/64\"` and `routed = true`";
    Unclear { what: what + passed_over, lines: lines.to_owned() }
}

fn all_needed(kept: &[Kept], uplink: &Uplink) -> Unclear {
    let needs: Vec<String> = kept.iter().map(|kept| format!("{} ({})", kept.address, kept.why)).collect();
    let what = format!("this host needs every address of {} itself: {}", uplink.link.name, needs.join(", "));
    let free = kept.last().map_or_else(String::new, |kept| kept.address.to_string());
    let lines = format!("`[pool]` and `addresses = [\"{free}\"]`, once nothing uses that address any more");
    Unclear { what, lines }
}

#[cfg(test)]
pub(crate) mod tests;
