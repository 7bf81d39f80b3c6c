//! Who is lent what, as it is before anybody connects.

use super::{entries, now};
use crate::config::Config;
use crate::packet_filter::Guarded;
use crate::state::{State, StoredLease};
use crate::uplink_guard::Unlendable;
use anyhow::Result;
use std::collections::{HashMap, HashSet};
use std::net::Ipv6Addr;
use v6tun_keys::PublicKey;
use v6tun_proto::ClientEntry;
use v6tun_proto::lease::Wanted;

/// The state, made to fit the file and the host.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(super) state: State,
    /// Of the clients of the file, in its order.
    pub(super) addresses: Vec<Ipv6Addr>,
    /// What has changed, for the log.
    pub(super) notes: Vec<String>,
}

impl Settled {
    /// Gives each client the address that it had, where that can be, or else another. What stands in the file
    /// holds, also for a key or a name that was enrolled or added before. What ended long ago is forgotten.
    ///
    /// An address that a socket has now is given to nobody new. Who has had it keeps it: it is lent when the socket
    /// has gone, and a visitor of this host's services cannot chase a client from its address.
    ///
    /// # Errors
    /// When the pool does not suffice; where that is so only because a socket has an address of it, which one.
    pub(crate) fn of(config: &Config, state: &State, unlendable: &Unlendable) -> Result<Self> {
        let had: HashSet<Ipv6Addr> = (state.leases.iter().map(|lease| lease.address))
            .chain(state.clients.iter().map(|client| client.address))
            .collect();
        let newly_used =
            unlendable.used.iter().map(|(address, _)| *address).filter(|address| !had.contains(address));
        match Self::with(config, state, &unlendable.fixed.iter().copied().chain(newly_used).collect()) {
            Err(too_few) => match unlendable.used.first() {
                Some((_, why)) if Self::with(config, state, &unlendable.fixed).is_ok() => {
                    Err(v6tun_cli::error_report::as_failure(why).into())
                }
                _ => Err(too_few),
            },
            settled => settled,
        }
    }

    fn with(config: &Config, state: &State, unusable: &HashSet<Ipv6Addr>) -> Result<Self> {
        let mut state = state.clone();
        state.prune(now());
        let mut notes = Vec::new();
        state.clients.retain(|client| {
            let stays = config.clients.iter().all(|configured| configured.public_key != client.public_key);
            if !stays {
                notes.push(format!(
                    "{} has the key of {}: what stands there holds",
                    config.path.display(),
                    client.name
                ));
            }
            stays
        });
        rename_namesakes(config, &mut state, &mut notes);
        renumber(config, &mut state, &mut notes);
        let remembered: HashMap<PublicKey, Ipv6Addr> =
            state.leases.iter().map(|lease| (lease.public_key, lease.address)).collect();
        let mut wanted = config.wanted(&remembered);
        wanted.extend(state.clients.iter().map(|client| Wanted {
            name: &client.name,
            public_key: &client.public_key,
            fixed: None,
            remembered: Some(client.address),
        }));
        let mut addresses = config.assign(&wanted, unusable)?;
        let of_stored = addresses.split_off(config.clients.len());
        for (client, to) in state.clients.iter_mut().zip(of_stored) {
            let from = std::mem::replace(&mut client.address, to);
            if from != to {
                let name = &client.name;
                let told = "a stock WireGuard client must be told";
                notes.push(format!("{name} is lent {to} instead of {from}, which cannot be lent; {told}"));
            }
        }
        let of_file = config.clients.iter().zip(&addresses);
        state.leases = of_file
            .map(|(client, address)| StoredLease { public_key: client.public_key, address: *address })
            .collect();
        Ok(Self { state, addresses, notes })
    }

    /// Whom not everything may come in to.
    pub(crate) fn guarded(&self, config: &Config) -> Vec<Guarded> {
        super::guarded(config, &self.addresses, &self.state)
    }

    /// Everybody who may have a session.
    pub(crate) fn entries(&self, config: &Config) -> Vec<ClientEntry> {
        entries(config, &self.addresses, &self.state)
    }
}

/// What was lent of another prefix than today's is lent of today's.
fn renumber(config: &Config, state: &mut State, notes: &mut Vec<String>) {
    let (former, today) = (state.prefix, config.stored_prefix());
    state.prefix = today;
    if let (Some(former), Some(today)) = (former, today)
        && former.lent != today.lent
        && state.renumber(former.lent, today.lent)
    {
        notes.push(format!("the clients' addresses move from {} to {}", former.lent, today.lent));
    }
}

/// A name belongs to one: whoever stands in the file keeps it, and an enrolled or invited one of that name gets another.
fn rename_namesakes(config: &Config, state: &mut State, notes: &mut Vec<String>) {
    let mut taken: HashSet<String> = config.clients.iter().map(|client| client.name.clone()).collect();
    taken.extend(state.clients.iter().map(|client| client.name.clone()));
    let is_filed = |name: &String| config.clients.iter().any(|client| client.name == *name);
    let of_clients = state.clients.iter_mut().map(|client| &mut client.name);
    let invited = state.invitations.iter_mut().filter(|invitation| invitation.end.is_none());
    for name in of_clients.chain(invited.map(|invitation| &mut invitation.name)).filter(|name| is_filed(name))
    {
        let stem: String = name.chars().take(58).collect();
        let Some(other) =
            (2..9999).map(|number| format!("{stem}-{number}")).find(|other| !taken.contains(other))
        else {
            continue;
        };
        notes.push(format!(
            "{name} stands in {}: the other client of that name is {other} now",
            config.path.display()
        ));
        taken.insert(other.clone());
        *name = other;
    }
}
