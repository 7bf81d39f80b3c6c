//! Whether `client.toml` can be used.

use v6tun_cli::doctor::Finding;

use super::patient::Patient;
use crate::ROLE;

pub(super) fn check(patient: &Patient<'_>) -> Finding {
    match &patient.config {
        Some(Ok(config)) => Finding::pass(format!(
            "{}: server {}, at {}",
            ROLE.config_file(patient.global).display(),
            config.server,
            config.endpoint
        )),
        Some(Err(error)) => Finding::failed_by(error),
        None => Finding::fail("this PC is not enrolled: there is no configuration")
            .expected("one, made by an invitation of `v6tun-server invite NAME`")
            .mend(ROLE.same_command(patient.global, "up INVITATION")),
    }
}
