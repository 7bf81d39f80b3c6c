//! Orders about clients.

use super::{Effect, Roster, entry_of, now};
use crate::config::ConfiguredClient;
use crate::inbound::Inbound;
use crate::order::{Answer, ClientInfo, NewClient, Origin};
use crate::packet_filter::Guarded;
use crate::state::{InvitationStatus, Refusal, StoredClient};
use anyhow::Result;
use std::net::Ipv6Addr;
use tracing::info;
use v6tun_cli::Failure;
use v6tun_keys::PublicKey;
use v6tun_wire::OrFail;

impl Roster<'_> {
    pub(super) fn list(&self) -> Vec<ClientInfo> {
        let of_file = self.config.clients.iter().zip(&self.addresses);
        let of_file = of_file.map(|(client, address)| self.info_of_configured(client, *address));
        of_file.chain(self.state.clients.iter().map(|client| self.info_of_stored(client))).collect()
    }

    fn info_of_configured(&self, client: &ConfiguredClient, address: Ipv6Addr) -> ClientInfo {
        ClientInfo {
            name: client.name.clone(),
            public_key: client.public_key,
            address,
            origin: Origin::File,
            since: None,
            endpoint: self.endpoint_of(&client.public_key),
            inbound: client.inbound.clone(),
        }
    }

    pub(super) fn export(&self, which: &str) -> Result<(Answer, Effect)> {
        let of_file = self.config.clients.iter().zip(&self.addresses);
        let mut of_file = of_file.filter(|(client, _)| is_meant(which, &client.name, &client.public_key));
        let answer = match of_file.next() {
            Some((client, address)) => {
                Answer::Export(self.info_of_configured(client, *address), client.preshared_key.clone())
            }
            None => {
                let client = self.stored(which)?;
                Answer::Export(self.info_of_stored(client), client.preshared_key.clone())
            }
        };
        Ok((answer, Effect::None))
    }

    /// Refuses a client whose name or key cannot be, or for which there is no room, whatever its address.
    pub(crate) fn check_new(&self, new: &NewClient) -> Result<()> {
        self.refuse_configured_name(&new.name)?;
        self.refuse_own_or_configured_key(&new.public_key)?;
        if self.has_all_clients() {
            return Err(Refusal::TooManyClients).or_failed();
        }
        self.refuse_without_room(&new.name)
    }

    pub(super) fn add(&mut self, new: NewClient) -> Result<(Answer, Effect)> {
        self.check_new(&new)?;
        let address = match new.address {
            Some(address) => self.check_wanted(address).map(|()| address)?,
            None => self.choose(&new.public_key).ok_or_else(|| self.pool_is_full())?,
        };
        let NewClient { name, public_key, preshared_key, .. } = new;
        let since = now();
        let client = StoredClient {
            name,
            public_key,
            preshared_key,
            address,
            invitation: None,
            since,
            inbound: Inbound::default(),
        };
        // Who names the key needs nobody to bring one.
        let promise = self.state.open_invitation_for(&client.name, since).map(|promise| promise.id);
        self.change(|state| {
            if let Some(promise) = promise {
                state.withdraw(promise, since)?;
            }
            state.add_client(client.clone())
        })?;
        if let Some(id) = promise {
            info!(%id, name = client.name, "withdrawn, as its client is added by hand");
        }
        info!(client = client.name, %address, "added");
        Ok((Answer::Client(self.info_of_stored(&client)), Effect::Added(entry_of(&client))))
    }

    pub(super) fn rename(&mut self, old: &str, new: &str) -> Result<(Answer, Effect)> {
        self.refuse_configured(old, "renamed")?;
        self.refuse_configured_name(new)?;
        let old = self.stored(old)?.name.clone();
        self.change(|state| state.rename_client(&old, new, now()))?;
        let client = self.stored(new)?;
        info!(client = old, name = new, "renamed");
        let effect = Effect::Renamed { client: client.public_key, name: new.to_owned() };
        Ok((Answer::Client(self.info_of_stored(client)), effect))
    }

    pub(super) fn revoke(&mut self, which: &str) -> Result<(Answer, Effect)> {
        self.refuse_configured(which, "revoked")?;
        let client = self.stored(which)?;
        let (name, answer) = (client.name.clone(), Answer::Client(self.info_of_stored(client)));
        let client = self.change(|state| state.remove_client(&name))?;
        info!(client = name, address = %client.address, "revoked");
        Ok((answer, Effect::Removed(client.public_key)))
    }

    pub(super) fn move_to(&mut self, which: &str, address: Ipv6Addr) -> Result<(Answer, Effect)> {
        let client = self.movable(which, address)?;
        let name = self.stored(which)?.name.clone();
        let from = self.change(|state| state.set_address(&name, address))?;
        info!(client = name, %from, to = %address, "moved to another address");
        let answer = Answer::Client(self.info_of_stored(self.stored(&name)?));
        Ok((answer, Effect::Moved { client, to: address }))
    }

    pub(super) fn set_inbound(&mut self, which: &str, inbound: Inbound) -> Result<(Answer, Effect)> {
        let name = self.guardable(which)?;
        info!(client = name, %inbound, "comes in");
        self.change(|state| state.set_inbound(&name, inbound))?;
        Ok((Answer::Client(self.info_of_stored(self.stored(&name)?)), Effect::None))
    }

    /// The name of a client of which an order may say what comes in.
    fn guardable(&self, which: &str) -> Result<String> {
        self.refuse_configured(which, "guarded")?;
        Ok(self.stored(which)?.name.clone())
    }

    /// Whom not everything may come in to, if that were so of this client.
    pub(crate) fn guarded_with(&self, which: &str, inbound: &Inbound) -> Result<Vec<Guarded>> {
        let name = self.guardable(which)?;
        let address = self.stored(&name)?.address;
        let mut guarded = self.guarded();
        guarded.retain(|client| client.address != address);
        if !inbound.is_open() {
            guarded.push(Guarded { address, inbound: inbound.clone() });
        }
        Ok(guarded)
    }

    /// Whose address would change, if that address may be given to it.
    pub(crate) fn movable(&self, which: &str, address: Ipv6Addr) -> Result<PublicKey> {
        self.refuse_configured(which, "moved")?;
        let client = self.stored(which)?.public_key;
        if self.holder_of(address) != Some(client) {
            self.check_wanted(address)?;
        }
        Ok(client)
    }

    /// Another address for a client whose own turned out to be somebody else's.
    pub(crate) fn give_another(&mut self, client: &PublicKey) -> Result<(Ipv6Addr, Ipv6Addr)> {
        let from = self.address_of(client).ok_or_else(|| Failure::failed("the client has gone"))?;
        self.avoid(from);
        if let Some(number) = self.config.clients.iter().position(|one| one.public_key == *client) {
            let configured = &self.config.clients[number];
            if configured.fixed.is_some() {
                let what = format!("client {} has no other address than {from}", configured.name);
                let hint =
                    format!("{} names it: take the line out, or change it", self.line_of(&configured.name));
                return Err(Failure::failed(what).with_hint(hint).into());
            }
            let to = self.choose(client).ok_or_else(|| self.pool_is_full())?;
            self.change(|state| state.set_lease(*client, to))?;
            self.addresses[number] = to;
            return Ok((from, to));
        }
        let to = self.choose(client).ok_or_else(|| self.pool_is_full())?;
        let name = self.state.client_by_key(client).map(|client| client.name.clone()).unwrap_or_default();
        self.change(|state| state.set_address(&name, to))?;
        Ok((from, to))
    }

    /// A client of the state, by its name or its public key.
    fn stored(&self, which: &str) -> Result<&StoredClient> {
        let mut clients = self.state.clients.iter();
        let found = clients.find(|client| is_meant(which, &client.name, &client.public_key));
        found.ok_or_else(|| {
            let known: Vec<String> = self.list().into_iter().map(|client| client.name).take(10).collect();
            let hint = match known.len() {
                0 => "`v6tun-server invite NAME` invites one".to_owned(),
                _ => format!("`v6tun-server client list` shows them: {}", known.join(", ")),
            };
            Failure::failed(format!("there is no client {which:?}")).with_hint(hint).into()
        })
    }

    /// The program never writes `server.toml`.
    fn refuse_configured(&self, which: &str, done: &str) -> Result<()> {
        let mut clients = self.config.clients.iter();
        match clients.find(|client| is_meant(which, &client.name, &client.public_key)) {
            Some(client) => {
                let place = self.line_of(&client.name);
                let what =
                    format!("client {:?} cannot be {done} by an order: it stands in {place}", client.name);
                let hint = "change it there, then start the server anew";
                Err(Failure::failed(what).with_hint(hint).into())
            }
            None => Ok(()),
        }
    }

    pub(super) fn refuse_configured_name(&self, name: &str) -> Result<()> {
        if self.config.clients.iter().all(|client| client.name != *name) {
            return Ok(());
        }
        let what = format!("the name {name:?} is taken: it stands in {}", self.line_of(name));
        Err(Failure::failed(what).with_hint(format!("choose another, such as {name}-2")).into())
    }

    fn refuse_own_or_configured_key(&self, key: &PublicKey) -> Result<()> {
        let hint = "`v6tun genkey | tee client.key | v6tun pubkey` makes a new pair on the client's machine";
        if self.config.private_key.public_key() == *key {
            let what = "the public key is this server's own";
            return Err(Failure::failed(what).with_hint(hint).into());
        }
        if !key.is_canonical() {
            let what = "the public key is no proper one: `wg pubkey` never writes it so";
            return Err(Failure::failed(what).with_hint(hint).into());
        }
        match self.configured(key) {
            Some((client, _)) => {
                let place = self.line_of(&client.name);
                Err(Failure::failed(format!("the public key is known: it stands in {place}"))
                    .with_hint(hint)
                    .into())
            }
            None => Ok(()),
        }
    }

    /// Whether the administrator may choose that address for somebody.
    fn check_wanted(&self, address: Ipv6Addr) -> Result<()> {
        let refuse = |why: String, hint: &str| {
            Err(Failure::failed(format!("{address} cannot be lent: {why}")).with_hint(hint).into())
        };
        if !self.pool.contains(address) {
            let hint = format!("{} says in [pool] which can be", self.config.path.display());
            return refuse("it is not in the pool".to_owned(), &hint);
        }
        if !self.may_be_lent(address) {
            let hint = "take another one of the pool";
            return refuse("this host or another one on its link uses it".to_owned(), hint);
        }
        if let Some(holder) = self.list().into_iter().find(|client| client.address == address) {
            let hint = "`v6tun-server client list` shows who has which";
            return refuse(format!("client {} has it", holder.name), hint);
        }
        Ok(())
    }

    pub(crate) fn pool_is_full(&self) -> anyhow::Error {
        let has = match self.pool.capacity() {
            Some(capacity) => format!(" of the pool's {capacity}"),
            None => String::new(),
        };
        let promised =
            self.state.invitations.iter().filter(|one| one.status(now()) == InvitationStatus::Open);
        let (and_promised, withdraw) = match promised.count() {
            0 => (String::new(), ""),
            number => (format!("; open invitations promise {number}"), "`invitation withdraw NAME` or "),
        };
        let path = self.config.path.display();
        let hint =
            format!("{withdraw}`v6tun-server client revoke NAME` frees one; {path} can name more in [pool]");
        Failure::failed(format!("no address{has} is left{and_promised}")).with_hint(hint).into()
    }

    /// `server.toml:12`.
    fn line_of(&self, name: &str) -> String {
        let path = self.config.path.display();
        match v6tun_cli::config_file::line_of(&self.config.path, "client", "name", name) {
            Some(line) => format!("{path}:{line}"),
            None => path.to_string(),
        }
    }
}

/// A client is named by its name or by its public key.
fn is_meant(which: &str, name: &str, public_key: &PublicKey) -> bool {
    which == name || which == public_key.to_string()
}
