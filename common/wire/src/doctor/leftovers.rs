//! Whether a program that does not run any more has left changes to the machine.

use crate::{Folders, GlobalArgs, Role, open_journal};
use v6tun_cli::doctor::Finding;
use v6tun_host::control_socket::is_listened_to;

/// A failure where there are changes, and nobody runs who would undo them.
pub async fn check(role: Role, global: &GlobalArgs) -> Finding {
    let folders = Folders::named(role, global);
    if is_listened_to(&folders.control_socket).await {
        return Finding::pass(format!("what was changed is the running {}'s", role.name));
    }
    let journal = match open_journal(&folders.journal) {
        Ok(journal) => journal,
        Err(error) => return Finding::failed_by(&error),
    };
    if journal.is_empty() {
        return Finding::pass(format!("no changes of a {} that does not run any more", role.name));
    }
    Finding::fail(format!(
        "a {} that does not run any more has left {} changes",
        role.name,
        journal.entries().len()
    ))
    .expected(format!("none: {} as it was found", role.host))
    .mend(role.same_command(global, "down"))
}
