//! Whether the client runs, and how far it is.

use v6tun_cli::{doctor::Finding, error_report, exit_code};

use super::patient::Patient;
use crate::{ROLE, status::State};

pub(super) fn check(patient: &Patient<'_>) -> Finding {
    match &patient.status {
        Ok(status) => {
            let seen = format!("runs, version {}: {}", status.client_version, status.state.as_str());
            match status.state {
                State::Up => Finding::pass(seen),
                _ => Finding::warn(seen).expected("up"),
            }
        }
        Err(error) if error_report::as_failure(error).exit_code() == exit_code::NOT_RUNNING => {
            Finding::fail("it does not run")
                .expected("a running client")
                .mend(ROLE.same_command(patient.global, "up"))
        }
        Err(error) => Finding::failed_by(error),
    }
}
