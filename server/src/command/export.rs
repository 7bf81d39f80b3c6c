//! `v6tun-server client export NAME`: a configuration for a stock WireGuard client.

use super::invite::{client_name, no_endpoint};
use super::{order, say, told_back, unexpected};
use crate::config::Config;
use crate::endpoint::ServerEndpoint;
use crate::export::Export;
use crate::order::{Answer, ClientInfo, NewClient, Order};
use crate::uplink::Uplink;
use crate::uplink_plan;
use anyhow::Result;
use clap::Args;
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv6Addr};
use v6tun_cli::qr;
use v6tun_host::network::Network;
use v6tun_keys::{PresharedKey, PrivateKey};
use v6tun_wire::GlobalArgs;
use zeroize::Zeroizing;

/// What the way of nearly every client carries, bytes: PPPoE and a little more around 1420.
const USUAL_MTU: u16 = 1420;

/// Options of `client export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The client's name, or its public key
    pub(crate) name: String,
    /// Make a new client of that name and its key pair; the private key is shown once and not kept
    #[arg(long)]
    pub(crate) generate: bool,
    /// With --generate: one of the pool [default: the next that is free]
    #[arg(long, requires = "generate")]
    pub(crate) address: Option<Ipv6Addr>,
    /// A name server for as long as the tunnel is up; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dns: Vec<IpAddr>,
    /// Show it as a QR code, for the WireGuard app of a phone
    #[arg(long)]
    pub(crate) qr: bool,
    /// Where the client finds this server [default: as the configuration says]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) endpoint: Option<ServerEndpoint>,
}

pub(crate) async fn run(global: &GlobalArgs, config: &Config, args: &ExportArgs) -> Result<()> {
    let endpoint = args.endpoint.as_ref().or(config.endpoint.as_ref()).ok_or_else(|| no_endpoint(config))?;
    let endpoint = endpoint.with_port(config.listen_port);
    let private_key = if args.generate { Some(generate(global, args).await?) } else { None };
    match show(global, config, args, (&endpoint, private_key.as_ref())).await {
        Err(error) if private_key.is_some() => {
            // Its key was shown to nobody.
            told_back(global, Order::Revoke(args.name.clone())).await;
            Err(error.context(format!("{} is not added: its configuration cannot be shown", args.name)))
        }
        shown => shown,
    }
}

async fn show(
    global: &GlobalArgs,
    config: &Config,
    args: &ExportArgs,
    (endpoint, private_key): (&str, Option<&PrivateKey>),
) -> Result<()> {
    let (client, preshared_key) = find(global, &args.name).await?;
    let text = text(config, args, endpoint, &client, (private_key, preshared_key.as_ref())).await?;
    io::stdout().write_all(text.as_bytes())?;
    Ok(io::stdout().flush()?)
}

async fn text(
    config: &Config,
    args: &ExportArgs,
    endpoint: &str,
    client: &ClientInfo,
    (private_key, preshared_key): (Option<&PrivateKey>, Option<&PresharedKey>),
) -> Result<Zeroizing<String>> {
    let export = Export {
        name: &client.name,
        private_key,
        address: client.address,
        dns: &args.dns,
        mtu: mtu(config).await.min(USUAL_MTU),
        server: &config.private_key.public_key(),
        preshared_key,
        endpoint,
    };
    if !args.qr {
        return Ok(export.to_text());
    }
    if private_key.is_none() {
        say("the private key is not known here: put it into the app by hand");
    }
    Ok(qr::render(&export.to_short_text(), io::stdout().is_terminal())?)
}

/// Makes a client whose private key nobody but its owner will have.
async fn generate(global: &GlobalArgs, args: &ExportArgs) -> Result<PrivateKey> {
    let name =
        client_name(&args.name).map_err(|why| anyhow::anyhow!("{:?} is no client name: {why}", args.name))?;
    let private_key = PrivateKey::generate()?;
    let new = NewClient {
        name,
        public_key: private_key.public_key(),
        preshared_key: Some(PresharedKey::generate()?),
        address: args.address,
    };
    match order(global, Order::AddClient(new)).await? {
        Answer::Client(_) => Ok(private_key),
        _ => unexpected(),
    }
}

async fn find(global: &GlobalArgs, name: &str) -> Result<(ClientInfo, Option<PresharedKey>)> {
    match order(global, Order::Client(name.to_owned())).await? {
        Answer::Export(client, preshared_key) => Ok((client, preshared_key)),
        _ => unexpected(),
    }
}

/// What the server's own link allows; without a look at it what every link does.
async fn mtu(config: &Config) -> u16 {
    let uplink = match Network::open() {
        Ok(network) => Uplink::find(&network, config.uplink.as_deref()).await.ok(),
        Err(_) => None,
    };
    uplink.map_or(config.mtu.unwrap_or(USUAL_MTU), |uplink| uplink_plan::mtu_ceiling(config, &uplink))
}
