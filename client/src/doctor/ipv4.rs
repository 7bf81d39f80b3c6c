//! Whether this PC's IPv4 is there, and as it was: the tunnel needs it and leaves it alone.

use v6tun_cli::doctor::Finding;

use super::patient::{INTERNET_IPV4, Patient};

pub(super) async fn check(patient: &Patient<'_>) -> Finding {
    match patient.way_to(INTERNET_IPV4).await {
        Some(link) if link == patient.interface() => Finding::fail(format!("IPv4 leads into {link}"))
            .expected("any other interface: the tunnel carries IPv6 alone"),
        Some(link) => Finding::pass(format!("leads to the Internet by {link}, and not by the tunnel")),
        None => Finding::fail("this PC has no way to the IPv4 Internet")
            .expected("one: the tunnel goes over IPv4; look at the cable, the Wi-Fi, the router"),
    }
}
