//! Whether the host has IPv6: an interface with a default route, a prefix, and addresses.

use super::patient::Patient;
use crate::host_shape::RouteOrigin;
use v6tun_cli::doctor::Finding;

pub(super) fn check(patient: &Patient) -> Finding {
    let uplink = match &patient.uplink {
        Ok(uplink) => uplink,
        Err(error) => return Finding::failed_by(error),
    };
    let name = &uplink.link.name;
    if !uplink.link.up {
        return Finding::fail(format!("{name} is down"))
            .expected("up")
            .mend(format!("ip link set dev {name} up"));
    }
    let Some(route) = &uplink.default_route else {
        return Finding::fail(format!("no IPv6 default route leads to {name}"))
            .expected("one, or nothing of the Internet is reached")
            .mend("ip -6 route show default");
    };
    if !uplink.addresses.iter().any(|entry| entry.is_usable()) {
        return Finding::fail(format!("{name} has no global IPv6 address"))
            .expected("one: turn IPv6 on at the provider's panel")
            .mend(format!("ip -6 addr show dev {name}"));
    }
    let prefixes: Vec<String> = uplink.prefixes.iter().map(ToString::to_string).collect();
    let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    Finding::pass(format!(
        "{name}: {} addresses, {}; default route{via}, {}",
        uplink.addresses.len(),
        if prefixes.is_empty() { "no prefix on the link".to_owned() } else { prefixes.join(", ") },
        RouteOrigin::of(route)
    ))
}
