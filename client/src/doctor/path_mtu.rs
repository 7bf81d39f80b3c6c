//! Whether full packets get through the tunnel and back: "ping works, web pages hang" is what it looks like if not.

use std::{net::IpAddr, time::Duration};

use v6tun_cli::doctor::Finding;
use v6tun_host::echo::echo;

use super::patient::Patient;
use crate::route_plan::MIN_MTU;

const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn check(patient: &Patient<'_>) -> Finding {
    let (status, _) = match patient.leased() {
        Ok(leased) => leased,
        Err(skipped) => return skipped,
    };
    let (Some(mtu), Ok(turtles)) = (status.mtu, &patient.turtles) else {
        return Finding::skip("there is nobody to send to");
    };
    let Some(to) = turtles.first().map(|turtle| IpAddr::V6(*turtle.ip())) else {
        return Finding::skip("there is nobody to send to");
    };
    let answers = |size: u16| echo(to, usize::from(size), PATIENCE);
    match (answers(mtu), answers(MIN_MTU)) {
        (Ok(Some(_)), _) => Finding::pass(format!("{mtu} bytes get to {to} and back")),
        (Ok(None), Ok(Some(_))) => Finding::fail(format!(
            "{MIN_MTU} bytes get to {to} and back, {mtu} bytes do not"
        ))
        .expected(format!("{mtu} bytes; or `mtu = {MIN_MTU}` in the configuration, which always fits")),
        (Ok(None), Ok(None)) => Finding::skip(format!("{to} does not answer pings")),
        (Err(error), _) | (_, Err(error)) => Finding::skip(format!("no ping can be sent: {error}")),
    }
}
