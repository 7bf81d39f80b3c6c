//! Whether the server runs, and answers.

use super::patient::Patient;
use crate::ROLE;
use v6tun_cli::doctor::Finding;
use v6tun_cli::{error_report, exit_code};

pub(super) fn check(patient: &Patient) -> Finding {
    let status = match &patient.status {
        Ok(status) => status,
        Err(error) if error_report::as_failure(error).exit_code() == exit_code::NOT_RUNNING => {
            return Finding::fail("it does not run")
                .expected("a running server")
                .mend(ROLE.same_command(&patient.global, "up"));
        }
        Err(error) => return Finding::failed_by(error),
    };
    let connected = status.clients.iter().filter(|client| client.lease == "ready").count();
    let seen = format!(
        "runs, version {}, interface {}: {connected} of {} clients have their address",
        status.server_version,
        status.interface,
        status.clients.len()
    );
    if status.clients.is_empty() {
        return Finding::warn(seen).expected("a client").mend(ROLE.same_command(&patient.global, "invite"));
    }
    let failed: Vec<&str> = status
        .clients
        .iter()
        .filter(|client| client.lease == "failed")
        .map(|client| client.name.as_str())
        .collect();
    if failed.is_empty() {
        return Finding::pass(seen);
    }
    Finding::fail(format!("the host does not carry the address of {}", failed.join(", ")))
        .expected("each client's address on the tunnel; the server's log says why not")
}
