//! Whether this system's resolver gives IPv6 addresses (AAAA records).

use v6tun_cli::doctor::Finding;

use super::patient::Patient;

pub(super) fn check(patient: &Patient<'_>) -> Finding {
    let host = patient.turtle.host();
    match &patient.turtles {
        Ok(addresses) if addresses.is_empty() => Finding::fail(format!("{host} has no IPv6 address"))
            .expected("one: this PC's name server may keep them back; try another one"),
        Ok(addresses) => Finding::pass(format!("{host} is at {}", addresses[0].ip())),
        Err(error) => Finding::fail(format!("cannot look {host} up: {error}"))
            .expected("an answer of this PC's name server"),
    }
}
