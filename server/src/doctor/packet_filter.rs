//! Whether the server's own table of nftables stands: the second lock against sources that are not leased.

use super::patient::Patient;
use crate::packet_filter::table;
use v6tun_cli::doctor::Finding;
use v6tun_host::network::Requirement;
use v6tun_wire::doctor::cannot_tell;

pub(super) async fn check(patient: &Patient) -> Finding {
    let running = match patient.running() {
        Ok(running) => running,
        Err(skipped) => return skipped,
    };
    let Some(table) = table(running.config, running.uplink, &[]) else {
        return Finding::skip("an interface's name cannot be written in a rule");
    };
    let name = table.name.clone();
    match patient.network.observe(&[Requirement::FilterTable(table)]).await {
        Ok(observed) if observed.filter_tables.contains_key(&name) => {
            Finding::pass(format!("the table ip6 {name} stands"))
        }
        Ok(_) => Finding::warn(format!("the table ip6 {name} of nftables is missing"))
            .expected("the rules that limit forwarding; the server puts it back within seconds, or its log says why not"),
        Err(error) => cannot_tell(error),
    }
}
