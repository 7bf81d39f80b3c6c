//! Who is a client: those that stand in `server.toml` and those of the state file, and the address of each.
//!
//! Every change is written down before it is told: a clone of the state is changed and saved, and only then takes
//! the place of the one before ([`Roster::change`]). That waits for the disk, a few milliseconds for each order: the
//! packets have a thread of their own, and do not.

mod clients;
mod enrolment;
mod invitations;
mod renumber;
mod settled;
#[cfg(test)]
mod tests;

use crate::config::{Config, ConfiguredClient};
use crate::order::{Answer, ClientInfo, Order, Origin};
use crate::packet_filter::Guarded;
use crate::state::{
    InvitationStatus, MAX_CLIENTS, Refusal, State, StateStore, StoredClient, StoredInvitation,
};
use crate::uplink_guard::Unlendable;
use anyhow::Result;
use std::collections::{HashMap, HashSet};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::warn;
use v6tun_cli::Failure;
use v6tun_keys::PublicKey;
use v6tun_proto::lease::Pool;
use v6tun_proto::{ClientEntry, InvitationEntry};
use v6tun_wire::{Hinted, OrFail};

use enrolment::Refusals;
pub(crate) use enrolment::Request;
pub(crate) use settled::Settled;

/// Candidates that are looked at for one client. Each one that is taken makes the next as likely to be free.
const MAX_CANDIDATES: usize = 4096;

/// How long an address is passed over that somebody else on the link has.
const AVOIDED: Duration = Duration::from_secs(600);

/// All clients and invitations.
#[derive(Debug)]
pub(crate) struct Roster<'a> {
    config: &'a Config,
    /// The file's, or the uplink's prefix of today in its place.
    pool: Pool,
    store: StateStore,
    state: State,
    /// Of the clients of the file, in its order.
    addresses: Vec<Ipv6Addr>,
    /// Addresses that nobody may be given: the host's own, and those that its sockets have.
    unusable: HashSet<Ipv6Addr>,
    /// Those that somebody else on the link was found to have, and when.
    avoided: HashMap<Ipv6Addr, Instant>,
    refusals: Refusals,
    /// When the endpoints changed first since they were saved.
    news_since: Option<Instant>,
}

/// What an order means for the running server, once it is written down.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    Added(ClientEntry),
    Removed(PublicKey),
    Renamed {
        client: PublicKey,
        name: String,
    },
    Moved {
        client: PublicKey,
        to: Ipv6Addr,
    },
    Invited(InvitationEntry),
}

impl Hinted for Refusal {
    fn hint(&self) -> Option<String> {
        self.hint()
    }
}

impl<'a> Roster<'a> {
    /// Reads the state, which must be locked, and gives every client an address that can be lent.
    ///
    /// # Errors
    /// When the state cannot be read or written, or the pool does not suffice.
    pub(crate) fn open(config: &'a Config, folder: &Path, unlendable: Unlendable) -> Result<Self> {
        let (mut store, state, notes) = StateStore::open(folder).or_failed()?;
        for note in notes {
            warn!("{note}");
        }
        let settled = Settled::of(config, &state, &unlendable)?;
        for (_, why) in &unlendable.used {
            warn!("{why}; nobody is given it meanwhile");
        }
        for change in &settled.notes {
            warn!("{change}");
        }
        if settled.state != state {
            store.save(&settled.state).or_failed()?;
        }
        let Settled { state, addresses, .. } = settled;
        Ok(Self {
            config,
            pool: config.pool.clone(),
            store,
            state,
            addresses,
            unusable: unlendable.all(),
            avoided: HashMap::new(),
            refusals: Refusals::default(),
            news_since: None,
        })
    }

    fn configured(&self, key: &PublicKey) -> Option<(&ConfiguredClient, Option<Ipv6Addr>)> {
        let number = self.config.clients.iter().position(|client| client.public_key == *key)?;
        Some((&self.config.clients[number], self.addresses.get(number).copied()))
    }

    /// Everybody who may have a session.
    pub(crate) fn entries(&self) -> Vec<ClientEntry> {
        entries(self.config, &self.addresses, &self.state)
    }

    /// Whom not everything may come in to.
    pub(crate) fn guarded(&self) -> Vec<Guarded> {
        guarded(self.config, &self.addresses, &self.state)
    }

    /// Who may ask to be enrolled, or is to be told why not.
    pub(crate) fn invitations(&self) -> Vec<InvitationEntry> {
        let invitations = self.state.invitations.iter();
        invitations
            .map(|invitation| InvitationEntry {
                public_key: invitation.public_key,
                preshared_key: invitation.preshared_key.clone(),
            })
            .collect()
    }

    /// Who is invited, where nobody is a client yet.
    pub(crate) fn awaited(&self) -> Option<&str> {
        let is_open = |one: &&StoredInvitation| one.status(now()) == InvitationStatus::Open;
        let open = self.state.invitations.iter().rev().find(is_open);
        open.filter(|_| self.config.clients.is_empty() && self.state.clients.is_empty())
            .map(|one| one.name.as_str())
    }

    /// Whether nobody was ever a client here, or invited.
    pub(crate) fn is_fresh(&self) -> bool {
        self.config.clients.is_empty() && self.state.clients.is_empty() && self.state.invitations.is_empty()
    }

    pub(crate) fn address_of(&self, client: &PublicKey) -> Option<Ipv6Addr> {
        let stored = || self.state.client_by_key(client).map(|client| client.address);
        self.configured(client).and_then(|(_, address)| address).or_else(stored)
    }

    /// What the client is called; empty for one that has gone.
    pub(crate) fn name_of(&self, client: &PublicKey) -> &str {
        let stored = || self.state.client_by_key(client).map(|client| client.name.as_str());
        self.configured(client).map(|(client, _)| client.name.as_str()).or_else(stored).unwrap_or_default()
    }

    pub(crate) fn holder_of(&self, address: Ipv6Addr) -> Option<PublicKey> {
        self.held().find(|(_, held)| *held == address).map(|(client, _)| client)
    }

    fn held(&self) -> impl Iterator<Item = (PublicKey, Ipv6Addr)> {
        let of_file = self.config.clients.iter().map(|client| client.public_key).zip(self.addresses.clone());
        of_file.chain(self.state.clients.iter().map(|client| (client.public_key, client.address)))
    }

    /// Whether there are as many as can be, of the file and others together.
    fn has_all_clients(&self) -> bool {
        self.config.clients.len() + self.state.clients.len() >= MAX_CLIENTS
    }

    /// For a while nobody is given that address: somebody else has it.
    pub(crate) fn avoid(&mut self, address: Ipv6Addr) {
        self.avoided.retain(|_, at| at.elapsed() < AVOIDED);
        self.avoided.insert(address, Instant::now());
    }

    /// The address that the client would be given now.
    pub(crate) fn choose(&self, client: &PublicKey) -> Option<Ipv6Addr> {
        self.choose_where(client, |_| true)
    }

    fn choose_where(&self, client: &PublicKey, is_usable: impl Fn(Ipv6Addr) -> bool) -> Option<Ipv6Addr> {
        let held: HashSet<Ipv6Addr> = self.held().map(|(_, address)| address).collect();
        let mut candidates = self.pool.candidates(client).take(MAX_CANDIDATES);
        candidates
            .find(|address| !held.contains(address) && self.may_be_lent(*address) && is_usable(*address))
    }

    /// Whether neither this host nor, as far as is known, another one uses it.
    fn may_be_lent(&self, address: Ipv6Addr) -> bool {
        let is_avoided = self.avoided.get(&address).is_some_and(|at| at.elapsed() < AVOIDED);
        !is_avoided && !self.unusable.contains(&address)
    }

    /// Carries an order out on the state, and tells what it means for a server that runs.
    ///
    /// # Errors
    /// Why it was refused, or not written down. Then nothing has changed.
    pub(crate) fn carry_out(&mut self, order: Order) -> Result<(Answer, Effect)> {
        match order {
            Order::Invite(invitation) => self.invite(invitation),
            Order::Invitations => Ok((Answer::Invitations(self.list_invitations()), Effect::None)),
            Order::Withdraw(which) => self.withdraw(&which),
            Order::AddClient(client) => self.add(client),
            Order::Clients => Ok((Answer::Clients(self.list()), Effect::None)),
            Order::Client(name) => self.export(&name),
            Order::Rename { old, new } => self.rename(&old, &new),
            Order::Revoke(name) => self.revoke(&name),
            Order::Move { name, address } => self.move_to(&name, address),
            Order::Inbound { name, inbound } => self.set_inbound(&name, inbound),
            Order::TestPort => {
                Err(Failure::failed("the server does not run: nobody can try its port").into())
            }
        }
    }

    /// Notes where a client is; written down by the next [`save_news`](Self::save_news).
    pub(crate) fn heard_from(&mut self, client: PublicKey, endpoint: SocketAddr) {
        let is_client = self.address_of(&client).is_some();
        if is_client && self.state.set_endpoint(client, endpoint) {
            self.news_since.get_or_insert_with(Instant::now);
        }
    }

    /// Where everybody was heard last.
    pub(crate) fn endpoints(&self) -> Vec<(PublicKey, SocketAddr)> {
        self.state.endpoints.iter().map(|known| (known.public_key, known.endpoint)).collect()
    }

    /// Since when there is something that is not written down.
    pub(crate) fn news_since(&self) -> Option<Instant> {
        self.news_since
    }

    /// Writes down what is worth a write only now and then.
    pub(crate) fn save_news(&mut self) {
        if self.news_since.is_none() {
            return;
        }
        match self.store.save(&self.state) {
            Ok(()) => self.news_since = None,
            Err(error) => warn!("the clients' endpoints are not saved: {error}"),
        }
    }

    /// Forgets what ended 30 days ago, and gives the throw-away keys that are known no longer. It is written down with
    /// the next change.
    pub(crate) fn forget_the_old(&mut self) -> Vec<PublicKey> {
        let before: Vec<PublicKey> = self.state.invitations.iter().map(|one| one.public_key).collect();
        if self.state.prune(now()) == 0 {
            return Vec::new();
        }
        self.news_since.get_or_insert_with(Instant::now);
        let stays = |key: &PublicKey| self.state.invitations.iter().any(|one| one.public_key == *key);
        before.into_iter().filter(|key| !stays(key)).collect()
    }

    fn change<T>(&mut self, act: impl FnOnce(&mut State) -> Result<T, Refusal>) -> Result<T> {
        let mut next = self.state.clone();
        let done = act(&mut next).or_failed()?;
        self.store.save(&next).or_failed()?;
        self.state = next;
        Ok(done)
    }

    fn info_of_stored(&self, client: &StoredClient) -> ClientInfo {
        ClientInfo {
            name: client.name.clone(),
            public_key: client.public_key,
            address: client.address,
            origin: if client.invitation.is_some() { Origin::Enrolled } else { Origin::Added },
            since: Some(client.since),
            endpoint: self.endpoint_of(&client.public_key),
            inbound: client.inbound.clone(),
        }
    }

    fn endpoint_of(&self, client: &PublicKey) -> Option<SocketAddr> {
        let known = self.state.endpoints.iter().find(|known| known.public_key == *client);
        known.map(|known| known.endpoint)
    }
}

fn entries(config: &Config, addresses: &[Ipv6Addr], state: &State) -> Vec<ClientEntry> {
    let of_file = config.clients.iter().zip(addresses).map(|(client, address)| ClientEntry {
        name: client.name.clone(),
        public_key: client.public_key,
        preshared_key: client.preshared_key.clone(),
        address: *address,
    });
    of_file.chain(state.clients.iter().map(entry_of)).collect()
}

fn guarded(config: &Config, addresses: &[Ipv6Addr], state: &State) -> Vec<Guarded> {
    let of_file = config.clients.iter().zip(addresses).map(|(client, address)| (*address, &client.inbound));
    let stored = state.clients.iter().map(|client| (client.address, &client.inbound));
    let guarded = of_file.chain(stored).filter(|(_, inbound)| !inbound.is_open());
    guarded.map(|(address, inbound)| Guarded { address, inbound: inbound.clone() }).collect()
}

fn entry_of(client: &StoredClient) -> ClientEntry {
    ClientEntry {
        name: client.name.clone(),
        public_key: client.public_key,
        preshared_key: client.preshared_key.clone(),
        address: client.address,
    }
}

/// Seconds since 1970-01-01 UTC; 0 before.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
