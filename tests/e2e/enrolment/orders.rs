//! Orders about clients and invitations, and a model of what they do that knows nothing of how it is done.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use anyhow::{Context as _, Result, ensure};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::Value;
use v6tun_keys::PrivateKey;
use v6tun_tests::product::Installation;

/// Few, so that the orders meet.
const NAMES: [&str; 10] =
    ["camera", "desk", "kitchen", "laptop", "phone", "printer", "radio", "server", "tablet", "tv"];
/// The same of addresses that are asked for.
const ADDRESSES: u16 = 16;
/// Of the last keys one may be used again.
const RECENT_KEYS: usize = 12;

/// An order, as it is typed.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Add { name: &'static str, key: String, address: Option<Ipv6Addr> },
    Rename { old: &'static str, new: &'static str },
    Revoke { name: &'static str },
    Move { name: &'static str, address: Ipv6Addr },
    Invite { name: &'static str },
    Withdraw { name: &'static str },
}

/// Where random orders come from.
pub(crate) struct Orders {
    /// An address of the pool, followed by others.
    pub(crate) first: Ipv6Addr,
    /// Those that were given to somebody, or should have been.
    pub(crate) keys: Vec<String>,
}

/// What somebody is told who asks: the clients by name, and the ids of the open invitations by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    pub(crate) clients: BTreeMap<String, Client>,
    pub(crate) invited: BTreeMap<String, Option<String>>,
}

/// `None` is what the server chose and has not told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Client {
    pub(crate) key: String,
    pub(crate) address: Option<Ipv6Addr>,
}

impl Orders {
    /// Mostly one that can be granted.
    pub(crate) fn random(&mut self, random: &mut StdRng, known: &Known) -> Order {
        let mut name = |is_meant: &dyn Fn(&str) -> bool| {
            let meant: Vec<&'static str> = NAMES.into_iter().filter(|name| is_meant(name)).collect();
            let meant = meant.choose(random).filter(|_| random.random_bool(0.85));
            meant.copied().unwrap_or_else(|| NAMES[random.random_range(0..NAMES.len())])
        };
        let client = name(&|name| known.clients.contains_key(name));
        let free = name(&|name| !known.clients.contains_key(name));
        let invited = name(&|name| known.invited.contains_key(name));
        match random.random_range(0..14) {
            0..5 => Order::Add {
                name: free,
                key: self.key(random),
                address: random.random_bool(0.3).then(|| self.address(random)),
            },
            5..7 => Order::Rename { old: client, new: free },
            7..9 => Order::Move { name: client, address: self.address(random) },
            9..11 => Order::Revoke { name: client },
            11..13 => Order::Invite { name: free },
            _ => Order::Withdraw { name: invited },
        }
    }

    fn address(&self, random: &mut StdRng) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.first.to_bits() + u128::from(random.random_range(0..ADDRESSES)))
    }

    fn key(&mut self, random: &mut StdRng) -> String {
        let recent = &self.keys[self.keys.len().saturating_sub(RECENT_KEYS)..];
        if let Some(key) = recent.choose(random).filter(|_| random.random_bool(0.1)) {
            return key.clone();
        }
        let key = PrivateKey::from_bytes(random.random()).public_key().to_string();
        self.keys.push(key.clone());
        key
    }
}

impl Order {
    pub(crate) fn command(&self) -> String {
        match self {
            Self::Add { name, key, address } => {
                let address = address.map(|address| format!(" --address {address}")).unwrap_or_default();
                format!("client add {name} --public-key {key}{address}")
            }
            Self::Rename { old, new } => format!("client rename {old} {new}"),
            Self::Revoke { name } => format!("client revoke {name}"),
            Self::Move { name, address } => format!("client move {name} {address}"),
            Self::Invite { name } => format!("invite {name}"),
            Self::Withdraw { name } => format!("invitation withdraw {name}"),
        }
    }

    /// What the order makes of what is known, if it is granted. `told` is the last word of the acknowledgement,
    /// which tells what the server chose.
    pub(crate) fn carry_out(&self, before: &Known, told: Option<&str>) -> Option<Known> {
        let mut known = before.clone();
        match self {
            Self::Add { name, key, address } => {
                if before.clients.contains_key(*name) || before.has_key(key) || before.is_held(*address) {
                    return None;
                }
                let address = address.or_else(|| told.and_then(|told| told.parse().ok()));
                known.clients.insert((*name).to_owned(), Client { key: key.clone(), address });
                known.invited.remove(*name);
            }
            Self::Rename { old, new } => {
                let client = known.clients.remove(*old)?;
                if before.clients.contains_key(*new) || before.invited.contains_key(*new) {
                    return None;
                }
                known.clients.insert((*new).to_owned(), client);
            }
            Self::Revoke { name } => drop(known.clients.remove(*name)?),
            Self::Move { name, address } => {
                let client = known.clients.get_mut(*name)?;
                if client.address != Some(*address) && before.is_held(Some(*address)) {
                    return None;
                }
                client.address = Some(*address);
            }
            Self::Invite { name } => {
                if before.clients.contains_key(*name) {
                    return None;
                }
                known.invited.insert((*name).to_owned(), told.map(|told| told.replace(')', "")));
            }
            Self::Withdraw { name } => drop(known.invited.remove(*name)?),
        }
        Some(known)
    }
}

impl Known {
    /// What the server says that it knows, running or stopped. No two clients have one name, one key or one address.
    pub(crate) fn by(server: &Installation) -> Result<Self> {
        let word = |of: &Value, field: &str| {
            Ok::<_, anyhow::Error>(of[field].as_str().with_context(|| of.to_string())?.to_owned())
        };
        let mut known = Self::default();
        for client in server.clients()? {
            let (key, address) = (word(&client, "public-key")?, Some(word(&client, "address")?.parse()?));
            ensure!(!known.has_key(&key) && !known.is_held(address), "twice: {client}, {known:?}");
            let earlier = known.clients.insert(word(&client, "name")?, Client { key, address });
            ensure!(earlier.is_none(), "a name twice: {client}, {known:?}");
        }
        let invitations: Vec<Value> = serde_json::from_str(&server.must("invitation list --json")?)?;
        for invitation in invitations {
            let name = word(&invitation, "name")?;
            ensure!(!known.clients.contains_key(&name), "invited and a client: {invitation}, {known:?}");
            let earlier = known.invited.insert(name, Some(word(&invitation, "id")?));
            ensure!(earlier.is_none(), "invited twice: {invitation}, {known:?}");
        }
        Ok(known)
    }

    /// Whether this is what was listed, as far as it is known.
    pub(crate) fn fits(&self, listed: &Self) -> bool {
        let mut filled = self.clone();
        for (name, client) in &mut filled.clients {
            let there = listed.clients.get(name);
            client.address = client.address.or_else(|| there.and_then(|there| there.address));
        }
        for (name, id) in &mut filled.invited {
            *id = id.take().or_else(|| listed.invited.get(name).cloned().flatten());
        }
        filled == *listed
    }

    fn has_key(&self, key: &str) -> bool {
        self.clients.values().any(|client| client.key == key)
    }

    fn is_held(&self, address: Option<Ipv6Addr>) -> bool {
        address.is_some() && self.clients.values().any(|client| client.address == address)
    }
}
