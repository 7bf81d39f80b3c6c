//! Whether the server's name has an address.

use v6tun_cli::doctor::Finding;

use super::patient::Patient;

pub(super) fn check(patient: &Patient<'_>) -> Finding {
    match &patient.server {
        None => Finding::skip("there is no usable configuration"),
        Some(Ok(address)) if address.is_ipv4() => Finding::pass(address.to_string()),
        Some(Ok(address)) => Finding::warn(format!("{address} is reached by IPv6"))
            .expected("an IPv4 address, where this PC has IPv4 alone"),
        Some(Err(error)) => Finding::failed_by(error),
    }
}
