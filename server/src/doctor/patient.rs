//! The host and the server as the checks see them, looked at once.

use crate::ROLE;
use crate::config::{Config, Ndp};
use crate::host_shape::{Facts, PublicIpv4};
use crate::order::{Answer, Order};
use crate::state::StateStore;
use crate::status::{ClientStatus, Status};
use crate::uplink::Uplink;
use crate::uplink_plan;
use anyhow::{Result, anyhow, bail};
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use v6tun_cli::doctor::Finding;
use v6tun_host::network::{Change, Network, Requirement, plan};
use v6tun_host::packet_filter::{self, Ruleset};
use v6tun_wire::GlobalArgs;
use v6tun_wire::doctor::cannot_tell;

/// What is known of the host and the server.
pub(crate) struct Patient {
    pub(super) global: GlobalArgs,
    pub(super) network: Network,
    /// `None`: there is no file.
    pub(super) config: Option<Result<Config>>,
    pub(super) uplink: Result<Uplink>,
    pub(super) ipv4: PublicIpv4,
    /// What the running server says.
    pub(super) status: Result<Status>,
    pub(super) ruleset: io::Result<Ruleset>,
    /// What came of a client's try to reach the port from another port than its own.
    pub(super) port_test: Result<PortTest>,
}

/// Who tried to reach the server's port, and from where that came; `None`: it did not come.
pub(super) struct PortTest {
    pub(super) by: String,
    pub(super) source: Option<SocketAddr>,
}

/// A server that runs on a host that could be looked at.
pub(super) struct Running<'a> {
    pub(super) config: &'a Config,
    pub(super) uplink: &'a Uplink,
    pub(super) status: &'a Status,
}

impl Patient {
    /// Looks at the host. It changes nothing.
    pub(crate) async fn look_at(global: &GlobalArgs) -> Result<Self> {
        let network = Network::open()?;
        let path = ROLE.config_file(global);
        // Where even that may not be known, reading it says why.
        let mut config = path.try_exists().unwrap_or(true).then(|| Config::load(&path));
        let named = config.as_ref().and_then(|config| config.as_ref().ok()?.uplink.clone());
        let uplink = Uplink::find(&network, named.as_deref()).await;
        if let (Some(Ok(config)), Ok(uplink), Ok(state)) =
            (&mut config, &uplink, StateStore::peek(&global.state_dir))
        {
            config.follow(&state, Some(uplink));
        }
        let status = v6tun_wire::status(ROLE, global).await;
        Ok(Self {
            global: global.clone(),
            uplink,
            ipv4: Facts::public_ipv4(&network).await?,
            port_test: match &status {
                Ok(_) => test_port(global).await,
                Err(_) => Err(anyhow!("the server does not run")),
            },
            status,
            ruleset: packet_filter::list_ruleset(),
            network,
            config,
        })
    }

    /// What the checks of a running server's work need; else why they cannot be made.
    pub(super) fn running(&self) -> Result<Running<'_>, Finding> {
        let Ok(status) = &self.status else { return Err(Finding::skip("the server does not run")) };
        let Some(Ok(config)) = &self.config else {
            return Err(Finding::skip("there is no usable configuration"));
        };
        let Ok(uplink) = &self.uplink else { return Err(Finding::skip("there is no usable uplink")) };
        Ok(Running { config, uplink, status })
    }

    /// What the plan would change so that these requirements hold.
    pub(super) async fn missing(&self, desired: &[Requirement]) -> Result<Vec<Change>> {
        let observed = self.network.observe(desired).await?;
        Ok(plan(desired, &observed))
    }

    /// As [`check_settings`](Self::check_settings), for those of the kernel's neighbour proxy, where that is used.
    pub(super) async fn check_proxy_settings(&self, names: &[&str], seen: &str, purpose: &str) -> Finding {
        match &self.config {
            Some(Ok(config)) if config.ndp != Ndp::Kernel => {
                Finding::skip("the kernel's neighbour proxy is not used here")
            }
            _ => self.check_settings(names, seen, purpose).await,
        }
    }

    /// Judges the settings of the running server that stand below `names` of a link: `seen` if all are as they must be.
    pub(super) async fn check_settings(&self, names: &[&str], seen: &str, purpose: &str) -> Finding {
        let running = match self.running() {
            Ok(running) => running,
            Err(skipped) => return skipped,
        };
        let desired: Vec<Requirement> =
            running.startup().into_iter().filter(|requirement| sets(requirement, names)).collect();
        match self.missing(&desired).await {
            Ok(changes) if changes.is_empty() => Finding::pass(seen),
            Ok(changes) => Finding::fail(wrong_values(&changes)).expected(purpose).mend(commands(&changes)),
            Err(error) => cannot_tell(error),
        }
    }
}

impl Running<'_> {
    /// What must be true of the host whoever is connected. A server that made it so sees none of its own work in it.
    pub(super) fn startup(&self) -> Vec<Requirement> {
        uplink_plan::startup(self.config, self.uplink, Vec::new())
    }

    /// The clients whose addresses the host carries.
    pub(super) fn leased(&self) -> impl Iterator<Item = &ClientStatus> {
        self.status.clients.iter().filter(|client| client.lease == "ready")
    }

    /// What must be true of the host for each of them.
    pub(super) fn lease_requirements(&self) -> Vec<(Ipv6Addr, Vec<Requirement>)> {
        let mut lent = Vec::new();
        let required = self.leased().map(|client| {
            lent.push(client.address);
            (client.address, uplink_plan::lease(client.address, &lent, self.config, self.uplink))
        });
        required.collect()
    }
}

async fn test_port(global: &GlobalArgs) -> Result<PortTest> {
    let alone = async |_| bail!("the server has ended");
    match v6tun_wire::order::<Status>(ROLE, global, Order::TestPort, alone).await? {
        Answer::PortTest { by, source } => Ok(PortTest { by, source }),
        _ => bail!("the server answered something else"),
    }
}

fn sets(requirement: &Requirement, names: &[&str]) -> bool {
    match requirement {
        Requirement::Sysctl { key, .. } => {
            names.iter().any(|name| key.to_string().ends_with(&format!(".{name}")))
        }
        _ => false,
    }
}

fn wrong_values(changes: &[Change]) -> String {
    let value = |change: &Change| match change {
        Change::SetSysctl { key, from, .. } => {
            Some(format!("{key} is {}", from.as_deref().unwrap_or("missing")))
        }
        Change::SetAllForwarding { from, .. } => Some(format!("net.ipv6.conf.all.forwarding is {from}")),
        Change::SetLinkForwarding { link, from, .. } => {
            Some(format!("net.ipv6.conf.{link}.forwarding is {from}"))
        }
        _ => None,
    };
    changes.iter().filter_map(value).collect::<Vec<_>>().join(", ")
}

/// As they are typed, one a line; what a change only tells is left out.
pub(super) fn commands(changes: &[Change]) -> String {
    let lines = changes.iter().map(ToString::to_string).filter(|line| !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}
