//! Whether it answers at once: the kernel holds an answer for a proxied address back by a random time.

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
            &["proxy_delay"],
            "the kernel answers at once",
            "0: else each first packet to a client waits up to 0.8 s",
        )
        .await
}
