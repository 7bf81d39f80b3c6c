//! Whether the kernel answers the router's questions for clients' addresses: the uplink's own setting is for multicast questions, `all` for those that the router sends to this host alone.

use super::patient::Patient;
use crate::config::Ndp;
use v6tun_cli::doctor::Finding;

pub(super) async fn check(patient: &Patient) -> Finding {
    if let Some(Ok(config)) = &patient.config
        && config.ndp != Ndp::Kernel
    {
        return Finding::skip("the kernel's neighbour proxy is not used here");
    }
    patient
        .check_settings(
            &["proxy_ndp"],
            "the kernel may answer for clients' addresses",
            "1: else nobody answers the router when it looks for a client",
        )
        .await
}
