//! Whether a dry run would tell the truth: it plans for the host as it is before `up`.

use crate::{Folders, open_journal};
use anyhow::Result;
use v6tun_cli::Failure;
use v6tun_host::control_socket::is_listened_to;
use v6tun_host::network::Network;

/// Refuses a host on which the program runs, or has left changes, or whose tun's name is taken.
///
/// # Errors
/// What stands in the way of a true plan.
pub async fn refuse_unless_untouched(folders: &Folders, network: &Network, interface: &str) -> Result<()> {
    let role = folders.role;
    if is_listened_to(&folders.control_socket).await {
        return Err(Failure::failed(format!("the {} is running: its changes are made", role.name))
            .with_hint(format!("`{} status` shows it; its log has the changes", role.program))
            .into());
    }
    if !open_journal(&folders.journal)?.is_empty() {
        let what = format!("a {} that does not run any more has left changes", role.name);
        let hint = format!("{} takes them back; then look again", role.command("down"));
        return Err(Failure::failed(what).with_hint(hint).into());
    }
    if network.observe(&[]).await?.link(interface).is_some() {
        let what = format!("there is an interface {interface} already");
        return Err(Failure::failed(what).with_hint("interface = \"…\" names another for the tunnel").into());
    }
    Ok(())
}
