//! Whether another program takes the IPv6 Internet with routes that are more specific than a default route.

use v6tun_cli::doctor::Finding;
use v6tun_host::network::{Change, Route};

use super::patient::Patient;

/// Of the routes with which VPNs take the whole of IPv6: `::/1` and `8000::/1`, or `2000::/3`.
const WIDE: std::ops::RangeInclusive<u8> = 1..=4;

pub(super) async fn check(patient: &Patient<'_>) -> Finding {
    let interface = patient.interface();
    let takes_all = |route: &&Route| {
        let is_global = route.destination.segments()[0] & 0xe000 <= 0x2000;
        WIDE.contains(&route.prefix_len) && is_global && route.link.as_deref() != Some(interface)
    };
    let routes: Vec<&Route> = patient.observed.routes.iter().filter(takes_all).collect();
    if routes.is_empty() {
        return Finding::pass("nobody else takes the IPv6 Internet");
    }
    let shown = routes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mend = routes.iter().map(|route| Change::DeleteRoute((*route).clone()).to_string());
    Finding::fail(format!("another program's routes take it: {shown}"))
        .expected("none: they are in front of the tunnel's; end that VPN, or take its routes away")
        .mend(mend.collect::<Vec<_>>().join("\n"))
}
