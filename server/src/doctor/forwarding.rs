//! Whether packets pass between uplink and tunnel.

use super::patient::Patient;
use v6tun_cli::doctor::Finding;

pub(super) async fn check(patient: &Patient) -> Finding {
    patient
        .check_settings(
            &["forwarding", "force_forwarding"],
            "passes packets between the uplink and the tunnel",
            "else no packet gets from the uplink to a client or back",
        )
        .await
}
