//! Whether the address that the server gave stands on the tunnel's interface.

use v6tun_cli::doctor::Finding;
use v6tun_host::network::Requirement;
use v6tun_wire::doctor::cannot_tell;

use super::patient::{Patient, commands};

pub(super) async fn check(patient: &Patient<'_>) -> Finding {
    let (status, address) = match patient.leased() {
        Ok(leased) => leased,
        Err(skipped) => return skipped,
    };
    let link = status.interface.clone();
    let seen = format!("{address} on {link}");
    match patient.missing(Requirement::AddressPresent { link, address, prefix_len: 128 }).await {
        Ok(changes) if changes.is_empty() => Finding::pass(seen),
        Ok(changes) => Finding::fail(format!("{address} is missing"))
            .expected(format!("{seen}, as the server gave it"))
            .mend(commands(&changes)),
        Err(error) => cannot_tell(error),
    }
}
