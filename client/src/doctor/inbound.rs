//! Whether this PC can be reached: its server's host pings it, and connects to a TCP port of it.

use std::{
    net::{Ipv6Addr, TcpListener},
    num::NonZeroU16,
};

use anyhow::{Result, bail};
use v6tun_cli::{doctor::Finding, humanize};
use v6tun_proto::{InboundResult, TcpResult};
use v6tun_wire::doctor::cannot_tell;

use super::patient::Patient;
use crate::{
    ROLE,
    order::{Answer, Order},
    status::Status,
};

/// A lost datagram is no verdict.
const TRIES: usize = 2;

pub(super) async fn check(patient: &Patient<'_>) -> Finding {
    let (_, address) = match patient.leased() {
        Ok(leased) => leased,
        Err(skipped) => return skipped,
    };
    if matches!(&patient.config, Some(Ok(config)) if config.address.is_some()) {
        return Finding::skip("the address is configured: its server may be one that tests nothing");
    }
    // It is accepted by the kernel for as long as it lives.
    let listener = listen(patient, address);
    let port = listener.as_ref().and_then(|listener| NonZeroU16::new(listener.local_addr().ok()?.port()));
    match ask(patient, port).await {
        Ok(Some(result)) => judge(address, port, result),
        Ok(None) => Finding::warn("the server did not say whether it reaches this PC")
            .expected("an answer; a server of an older version gives none"),
        Err(error) => cannot_tell(error),
    }
}

/// A port that may be reached: on Windows one of those that the configuration opens, as all others are closed there.
fn listen(patient: &Patient<'_>, address: Ipv6Addr) -> Option<TcpListener> {
    let ports = if cfg!(windows) {
        let Some(Ok(config)) = &patient.config else { return None };
        config.windows.inbound.first_tcp_port().into_iter().collect()
    } else {
        vec![0]
    };
    ports.into_iter().find_map(|port: u16| TcpListener::bind((address, port)).ok())
}

async fn ask(patient: &Patient<'_>, tcp_port: Option<NonZeroU16>) -> Result<Option<InboundResult>> {
    for _ in 0..TRIES {
        let order = Order::TestInbound { tcp_port };
        let asked =
            v6tun_wire::order::<Status>(ROLE, patient.global, order, async |_| bail!("the client has ended"));
        let Answer::Inbound(result) = asked.await?;
        if result.is_some() {
            return Ok(result);
        }
    }
    Ok(None)
}

fn judge(address: Ipv6Addr, port: Option<NonZeroU16>, result: InboundResult) -> Finding {
    let port = port.map_or(0, NonZeroU16::get);
    let Some(echo) = result.echo else {
        let seen = match result.tcp {
            TcpResult::Open => {
                format!("the server's pings of {address} are not answered, while TCP port {port} is reached")
            }
            _ => format!("the server's pings of {address} are not answered"),
        };
        return Finding::fail(seen).expected(EXPECTED).mend(MEND);
    };
    let ping = format!("the server pings {address} in {}", humanize::duration(echo));
    match result.tcp {
        TcpResult::Open => Finding::pass(format!("{ping}, and reaches TCP port {port}")),
        TcpResult::Untried => Finding::pass(format!("{ping}; no TCP port is open to try")),
        TcpResult::Refused | TcpResult::Silent => {
            Finding::warn(format!("{ping}, but does not reach TCP port {port}"))
                .expected("a connection; a firewall of this PC that wants it so is right")
        }
    }
}

const EXPECTED: &str = "an answer; a firewall on this PC may drop what comes in";
#[cfg(not(windows))]
const MEND: &str = "nft list ruleset";
#[cfg(windows)]
const MEND: &str = "netsh advfirewall monitor show firewall";
