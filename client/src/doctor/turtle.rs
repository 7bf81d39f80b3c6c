//! Whether the turtle dances: it does for those who come by IPv6.

use v6tun_cli::doctor::Finding;

use super::patient::Patient;

pub(super) async fn check(patient: &Patient<'_>) -> Finding {
    let page = patient.turtle;
    let Ok(turtles) = &patient.turtles else { return Finding::skip(format!("{} is not found", page.host())) };
    if turtles.is_empty() {
        return Finding::skip(format!("{} has no IPv6 address", page.host()));
    }
    let own = patient.status.as_ref().ok().and_then(|status| status.address);
    match page.fetch(turtles).await {
        Ok(visit) if Some(visit.from) == own => {
            Finding::pass(format!("{page} came by IPv6, to {}", visit.from))
        }
        Ok(visit) if own.is_none() => {
            Finding::warn(format!("{page} came by IPv6, to {}, and not through the tunnel", visit.from))
        }
        Ok(visit) => Finding::warn(format!("{page} came by IPv6, to {}", visit.from))
            .expected("to the tunnel's address: this PC has another IPv6, and prefers it"),
        Err(error) => Finding::fail(format!("{page}: {error:#}")).expected("the page, by IPv6"),
    }
}
