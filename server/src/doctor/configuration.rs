//! Whether `server.toml` can be used.

use super::patient::Patient;
use crate::ROLE;
use crate::uplink_guard;
use v6tun_cli::doctor::Finding;
use v6tun_proto::lease::Pool;

pub(super) fn check(patient: &Patient) -> Finding {
    let config = match &patient.config {
        None => {
            return Finding::warn("there is none yet")
                .expected("a file that says which addresses are lent")
                .mend(ROLE.same_command(&patient.global, "init"));
        }
        Some(Err(error)) => return Finding::failed_by(error),
        Some(Ok(config)) => config,
    };
    if let Ok(uplink) = &patient.uplink
        && let Err(error) = uplink_guard::check(config, uplink)
    {
        return Finding::failed_by(&error);
    }
    let pool = match &config.pool {
        Pool::Listed(addresses) => format!("{} addresses to lend", addresses.len()),
        Pool::Derived(prefix) => format!("addresses of {}/{} to lend", prefix.address, prefix.len),
    };
    if let (Some(followed), Pool::Derived(today)) = (config.followed(), &config.pool) {
        return Finding::warn(followed)
            .expected("the uplink's prefix of today")
            .mend(format!("# in {}: [pool] prefix = \"{today}\"", config.path.display()));
    }
    Finding::pass(format!("{}: {pool}", config.path.display()))
}
