//! Whether clients' addresses have left the uplink: one that stands there is this host's own, and reaches no client.

use super::patient::{Patient, commands};
use v6tun_cli::doctor::Finding;
use v6tun_host::network::{Change, Requirement};
use v6tun_host::socket_use;
use v6tun_wire::doctor::cannot_tell;

pub(super) async fn check(patient: &Patient) -> Finding {
    let running = match patient.running() {
        Ok(running) => running,
        Err(skipped) => return skipped,
    };
    let requirements = running.lease_requirements().into_iter().flat_map(|(_, required)| required);
    let absences: Vec<Requirement> =
        requirements.filter(|required| matches!(required, Requirement::AddressAbsent { .. })).collect();
    let changes = match patient.missing(&absences).await {
        Ok(changes) => changes,
        Err(error) => return cannot_tell(error),
    };
    let standing: Vec<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::DeleteAddress { address, .. } => Some(address.address),
            _ => None,
        })
        .collect();
    let name = &running.uplink.link.name;
    if standing.is_empty() {
        return Finding::pass(format!("no client's address stands on {name}"));
    }
    let shown = standing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    // One that is used stays: the server does not take it off.
    let users = socket_use::bound_sockets(&standing).unwrap_or_default();
    let by = users.first().map(|socket| format!(" ({})", crate::uplink_guard::describe(socket)));
    Finding::fail(format!("{shown} stands on {name}{}", by.unwrap_or_default()))
        .expected("nowhere but at its client")
        .mend(commands(&changes))
}
