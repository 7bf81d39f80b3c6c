//! Whether it answers at once: the kernel holds an answer for a proxied address back by a random time.

use super::patient::Patient;
use v6tun_cli::doctor::Finding;

pub(super) async fn check(patient: &Patient) -> Finding {
    patient
        .check_proxy_settings(
            &["proxy_delay"],
            "the kernel answers at once",
            "0: else each first packet to a client waits up to 0.8 s",
        )
        .await
}
