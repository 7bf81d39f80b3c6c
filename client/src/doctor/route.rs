//! Whether the default route leads into the tunnel, and wins.

use v6tun_cli::doctor::Finding;
use v6tun_host::network::Requirement;
use v6tun_wire::doctor::cannot_tell;

use super::patient::{INTERNET_IPV6, Patient, commands};
use crate::{route_plan::tunnel_route, status::State};

pub(super) async fn check(patient: &Patient<'_>) -> Finding {
    let (status, _) = match patient.leased() {
        Ok(leased) => leased,
        Err(skipped) => return skipped,
    };
    if matches!(status.state, State::Lost) {
        return Finding::skip("the server is lost, and what the route is meanwhile says `when-down`");
    }
    let link = &status.interface;
    match patient.missing(Requirement::Route(tunnel_route(link))).await {
        Ok(changes) if changes.is_empty() => {}
        Ok(changes) => {
            return Finding::fail(format!("no default route leads into {link}"))
                .expected("one, or no packet finds the tunnel")
                .mend(commands(&changes));
        }
        Err(error) => return cannot_tell(error),
    }
    match patient.way_to(INTERNET_IPV6).await {
        Some(way) if way == *link => Finding::pass(format!("the IPv6 Internet is reached by {link}")),
        Some(other) => Finding::warn(format!("the IPv6 Internet is reached by {other}"))
            .expected(format!("{link}, unless {other} has IPv6 that works; see other-vpns")),
        None => Finding::fail("no way leads to the IPv6 Internet").expected(format!("one by {link}")),
    }
}
