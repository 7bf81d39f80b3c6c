//! This PC and the client as the checks see them, looked at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use anyhow::Result;
use v6tun_cli::doctor::Finding;
use v6tun_host::network::{Change, Network, Observed, Requirement, plan};
use v6tun_wire::GlobalArgs;

use super::web_page::WebPage;
use crate::{
    ROLE,
    config::{Config, DEFAULT_INTERFACE},
    enrolment::is_known,
    status::Status,
};

/// An address of the IPv6 Internet: any one that default routes alone lead to. Nothing is sent there.
pub(super) const INTERNET_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 1));
/// The same of the IPv4 Internet.
pub(super) const INTERNET_IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 0, 0, 1));

/// What is known of this PC.
pub(crate) struct Patient<'a> {
    pub(super) global: &'a GlobalArgs,
    pub(super) turtle: &'a WebPage,
    pub(super) network: Network,
    pub(super) observed: Observed,
    /// `None`: there is no file.
    pub(super) config: Option<Result<Config>>,
    /// Where the configured server is; `None` without a configuration.
    pub(super) server: Option<Result<SocketAddr>>,
    /// What the running client says.
    pub(super) status: Result<Status>,
    /// Whether the server answers a handshake with this PC's key; `None` where the running client tells, or nobody is known
    /// to ask.
    pub(super) is_known: Option<bool>,
    /// Where the turtle lives, by this system's resolver.
    pub(super) turtles: Result<Vec<SocketAddrV6>>,
}

impl<'a> Patient<'a> {
    /// Looks at this PC. It changes nothing.
    pub(crate) async fn look_at(global: &'a GlobalArgs, turtle: &'a WebPage) -> Result<Self> {
        let network = Network::open()?;
        let path = ROLE.config_file(global);
        // Where even that may not be known, reading it says why.
        let config = path.try_exists().unwrap_or(true).then(|| Config::load(&path));
        let server = match &config {
            Some(Ok(config)) => Some(config.endpoint.resolve().await),
            _ => None,
        };
        let status = v6tun_wire::status(ROLE, global).await;
        let is_known = match (&config, &server, &status) {
            (Some(Ok(config)), Some(Ok(_)), Err(_)) => Some(is_known(config).await),
            _ => None,
        };
        Ok(Self {
            global,
            turtle,
            observed: network.observe(&[]).await?,
            network,
            config,
            server,
            status,
            is_known,
            turtles: turtle.look_up().await,
        })
    }

    /// The tunnel's interface, as the running client or the configuration has it.
    pub(super) fn interface(&self) -> &str {
        match (&self.status, &self.config) {
            (Ok(status), _) => &status.interface,
            (_, Some(Ok(config))) => &config.interface,
            _ => DEFAULT_INTERFACE,
        }
    }

    /// What the running client says, and the address that it was given; else why nothing can be checked of it.
    pub(super) fn leased(&self) -> Result<(&Status, Ipv6Addr), Finding> {
        let Ok(status) = &self.status else { return Err(Finding::skip("the client does not run")) };
        let Some(address) = status.address else { return Err(Finding::skip("there is no address yet")) };
        Ok((status, address))
    }

    /// What the plan would change so that this holds.
    pub(super) async fn missing(&self, desired: Requirement) -> Result<Vec<Change>> {
        let desired = [desired];
        let observed = self.network.observe(&desired).await?;
        Ok(plan(&desired, &observed))
    }

    /// The link by which a packet to that destination would leave; `None`: by none.
    pub(super) async fn way_to(&self, destination: IpAddr) -> Option<String> {
        self.network.route_to(destination).await.ok().flatten().map(|route| route.link)
    }
}

/// As they are typed, one a line.
pub(super) fn commands(changes: &[Change]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
