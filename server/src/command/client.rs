//! `v6tun-server client add | list | rename | revoke | move | inbound | export`.

use super::export::ExportArgs;
use super::invite::client_name;
use super::{export, load_config, order, say, unexpected, utc};
use crate::inbound::{Inbound, Policy};
use crate::order::{Answer, ClientInfo, NewClient, Order, Origin};
use anyhow::Result;
use clap::Subcommand;
use std::io::{self, Write};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use v6tun_cli::Failure;
use v6tun_cli::table::Table;
use v6tun_host::network::PortRange;
use v6tun_keys::{PublicKey, key_file};
use v6tun_wire::{GlobalArgs, OrFail};

/// What to do with clients. They work with the server running, at once and without restart, and without it.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Add a client whose public key is known
    Add {
        /// 1 to 63 of a-z, 0-9 and -
        #[arg(value_parser = client_name)]
        name: String,
        /// As `v6tun pubkey` or `wg pubkey` prints it
        #[arg(long, value_name = "KEY")]
        public_key: PublicKey,
        /// The key shared beside the handshake's, as `v6tun genpsk` writes it
        #[arg(long, value_name = "FILE")]
        preshared_key_file: Option<PathBuf>,
        /// One of the pool [default: the next that is free]
        #[arg(long)]
        address: Option<Ipv6Addr>,
    },
    /// Show all clients
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a client another name
    Rename {
        /// The client's name, or its public key
        old: String,
        /// 1 to 63 of a-z, 0-9 and -
        #[arg(value_parser = client_name)]
        new: String,
    },
    /// End a client: its session, its address and its invitation
    Revoke {
        /// The client's name, or its public key
        name: String,
    },
    /// Give a client another address; one that is connected follows by itself
    Move {
        /// The client's name, or its public key
        name: String,
        /// One of the pool that is free
        address: Ipv6Addr,
    },
    /// Say what others may begin towards a client, at once and also for one that is connected
    Inbound {
        /// The client's name, or its public key
        name: String,
        /// `allow`: everything, as at any public address; `established`: answers, pings, and the ports that are listed
        policy: Policy,
        /// TCP ports that are open all the same, as 22 or 8000-8010
        #[arg(long, value_name = "PORTS", num_args = 1.., value_delimiter = ',')]
        tcp: Vec<PortRange>,
        /// UDP ports that are open all the same
        #[arg(long, value_name = "PORTS", num_args = 1.., value_delimiter = ',')]
        udp: Vec<PortRange>,
    },
    /// Print a wg-quick configuration, for a stock WireGuard client
    Export(ExportArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: &ClientCommand) -> Result<()> {
    match command {
        ClientCommand::Add { name, public_key, preshared_key_file, address } => {
            let preshared_key = preshared_key_file
                .as_deref()
                .map(key_file::read_preshared_key)
                .transpose()
                .or_misconfigured()?;
            let new =
                NewClient { name: name.clone(), public_key: *public_key, preshared_key, address: *address };
            let client = told(global, Order::AddClient(new)).await?;
            say(&format!("{} is a client and will be lent {}", client.name, client.address));
        }
        ClientCommand::List { json } => {
            let Answer::Clients(all) = order(global, Order::Clients).await? else { return unexpected() };
            let text = if *json { serde_json::to_string_pretty(&all)? + "\n" } else { to_text(&all) };
            io::stdout().write_all(text.as_bytes())?;
        }
        ClientCommand::Rename { old, new } => {
            let client = told(global, Order::Rename { old: old.clone(), new: new.clone() }).await?;
            say(&format!("{old} is called {} now", client.name));
        }
        ClientCommand::Revoke { name } => {
            let client = told(global, Order::Revoke(name.clone())).await?;
            say(&format!("{} is a client no longer; {} is free", client.name, client.address));
        }
        ClientCommand::Move { name, address } => {
            let client = told(global, Order::Move { name: name.clone(), address: *address }).await?;
            let stock = match client.origin {
                Origin::Added => {
                    format!("; a stock WireGuard client needs `client export {}` anew", client.name)
                }
                Origin::Enrolled | Origin::File => String::new(),
            };
            say(&format!("{} has the address {} now{stock}", client.name, client.address));
        }
        ClientCommand::Inbound { name, policy, tcp, udp } => {
            let inbound = Inbound::new(*policy, tcp, udp).map_err(|why| {
                Failure::usage(why).with_hint("`established` closes the others; `allow` needs no ports")
            })?;
            let client = told(global, Order::Inbound { name: name.clone(), inbound }).await?;
            say(&format!("to {} comes in: {}", client.name, client.inbound));
        }
        ClientCommand::Export(args) => export::run(global, &load_config(global)?, args).await?,
    }
    Ok(())
}

async fn told(global: &GlobalArgs, what: Order) -> Result<ClientInfo> {
    match order(global, what).await? {
        Answer::Client(client) => Ok(client),
        _ => unexpected(),
    }
}

fn to_text(all: &[ClientInfo]) -> String {
    if all.is_empty() {
        return "there is no client yet\n".to_owned();
    }
    let mut table = Table::new(["name", "address", "by", "since", "inbound", "public key"]);
    for client in all {
        let since = client.since.map(utc).unwrap_or_default();
        let (address, key) = (client.address.to_string(), client.public_key.to_string());
        let (origin, inbound) = (client.origin.as_str().to_owned(), client.inbound.to_string());
        table.row([client.name.clone(), address, origin, since, inbound, key]);
    }
    table.to_string()
}
