//! `v6tun-server doctor`: looks at every link of the chain from the router to the clients, changes nothing, and names
//! the one that is broken with the command that mends it. It needs neither a configuration nor a running server.

mod configuration;
mod firewall;
mod forwarding;
mod leases;
mod lent_addresses;
mod mtu;
mod packet_filter;
mod patient;
mod proxy_delay;
mod proxy_ndp;
mod router;
mod router_advertisements;
mod server;
mod udp_port;
mod uplink;

use crate::ROLE;
use anyhow::Result;
use patient::Patient;
use std::process::ExitCode;
use v6tun_cli::doctor::Report;
use v6tun_wire::doctor::{check_clock, check_leftovers, check_privileges, tell};
use v6tun_wire::{DoctorArgs, GlobalArgs};

/// Prints the report. The exit status is 1 if a check failed.
pub(crate) async fn run(global: &GlobalArgs, options: &DoctorArgs) -> Result<ExitCode> {
    let report = examine(&Patient::look_at(global).await?).await;
    tell(&report, options.json, &report.summary())
}

/// What is below may follow from what is above.
async fn examine(patient: &Patient) -> Report {
    let mut report = Report::new();
    report.add("privileges", check_privileges());
    report.add("configuration", configuration::check(patient));
    report.add("leftovers", check_leftovers(ROLE, &patient.global).await);
    report.add("server", server::check(patient));
    report.add("uplink", uplink::check(patient));
    report.add("router-advertisements", router_advertisements::check(patient));
    report.add("forwarding", forwarding::check(patient).await);
    report.add("proxy-ndp", proxy_ndp::check(patient).await);
    report.add("proxy-delay", proxy_delay::check(patient).await);
    report.add("mtu", mtu::check(patient).await);
    report.add("lent-addresses", lent_addresses::check(patient).await);
    report.add("leases", leases::check(patient).await);
    report.add("firewall", firewall::check(patient));
    report.add("packet-filter", packet_filter::check(patient).await);
    report.add("udp-port", udp_port::check(patient));
    report.add("router", router::check(patient).await);
    report.add("clock", check_clock());
    report
}
