//! Whether the server's own table of nftables stands: the second lock against sources that are not leased.

use super::patient::{Patient, commands};
use crate::packet_filter::table;
use v6tun_cli::doctor::Finding;
use v6tun_host::network::{Change, Requirement};
use v6tun_wire::doctor::cannot_tell;

pub(super) async fn check(patient: &Patient) -> Finding {
    let running = match patient.running() {
        Ok(running) => running,
        Err(skipped) => return skipped,
    };
    let Some(table) = table(running.config, running.uplink) else {
        return Finding::skip("an interface's name cannot be written in a rule");
    };
    let name = table.name.clone();
    match patient.network.observe(&[Requirement::FilterTable(table.clone())]).await {
        Ok(observed) if observed.filter_tables.contains_key(&name) => {
            Finding::pass(format!("the table ip6 {name} stands"))
        }
        Ok(_) => Finding::warn(format!("the table ip6 {name} of nftables is missing"))
            .expected(
                "a second lock against sources that are not leased, and forwarding for this tunnel alone",
            )
            .mend(commands(&[Change::SetFilterTable(table)])),
        Err(error) => cannot_tell(error),
    }
}
