//! Whether the kernel answers the router's questions for clients' addresses: the uplink's own setting is for multicast
//! questions, `all` for those that the router sends to this host alone.

use super::patient::Patient;
use v6tun_cli::doctor::Finding;

pub(super) async fn check(patient: &Patient) -> Finding {
    patient
        .check_proxy_settings(
            &["proxy_ndp"],
            "the kernel may answer for clients' addresses",
            "1: else nobody answers the router when it looks for a client",
        )
        .await
}
