//! Whether the doctor may look at everything.

use v6tun_cli::doctor::Finding;
use v6tun_host::privilege::require_net_admin;

/// A warning where some checks will have to be left out.
#[must_use]
pub fn check() -> Finding {
    let Err(error) = require_net_admin() else { return Finding::pass("may look at everything") };
    let finding =
        Finding::warn("may not change the network").expected("an administrator's, or checks are left out");
    match error.hint() {
        Some(hint) => finding.mend(hint.trim_matches('`')),
        None => finding,
    }
}
