//! `v6tun-client doctor`: looks at every link of the chain from this PC to the turtle, changes nothing, and names the
//! one that is broken with the command that mends it. It needs neither a configuration nor a running client.

mod address;
mod client;
mod configuration;
mod dance;
mod endpoint;
mod inbound;
mod ipv4;
mod other_vpns;
mod path_mtu;
mod patient;
mod resolver;
mod round_trip;
mod route;
mod server;
mod turtle;
mod web_page;

use std::{io::IsTerminal, process::ExitCode};

use anyhow::Result;
use clap::Args;
use patient::Patient;
use v6tun_cli::doctor::{Outcome, Report};
use v6tun_wire::{
    GlobalArgs,
    doctor::{check_clock, check_leftovers, check_privileges, tell},
};
use web_page::WebPage;

use crate::ROLE;

/// Options of `doctor`.
#[derive(Debug, Args)]
#[group(id = "client-doctor")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    common: v6tun_wire::DoctorArgs,
    /// The page that is fetched by IPv6 at the end
    #[arg(long, value_name = "URL", default_value = "http://www.kame.net/")]
    turtle: WebPage,
}

/// Prints the report. The exit status is 1 if a check failed.
pub(crate) async fn run(global: &GlobalArgs, args: &DoctorArgs) -> Result<ExitCode> {
    let report = examine(&Patient::look_at(global, &args.turtle).await?).await;
    let has_danced = report.outcome_of(TURTLE) == Some(Outcome::Pass);
    if !args.common.json && std::io::stdout().is_terminal() {
        dance::show(has_danced).await?;
    }
    let last_line = match (has_danced, report.first_failure()) {
        (true, _) => "the turtle dances".to_owned(),
        (false, Some((name, finding))) => format!("no turtle: {name}: {}", finding.seen()),
        (false, None) => "no turtle: it could not be looked for".to_owned(),
    };
    tell(&report, args.common.json, &last_line)
}

const TURTLE: &str = "turtle";

/// What is below may follow from what is above.
async fn examine(patient: &Patient<'_>) -> Report {
    let mut report = Report::new();
    report.add("privileges", check_privileges());
    report.add("configuration", configuration::check(patient));
    report.add("leftovers", check_leftovers(ROLE, patient.global).await);
    report.add("clock", check_clock());
    report.add("ipv4", ipv4::check(patient).await);
    report.add("endpoint", endpoint::check(patient));
    report.add("client", client::check(patient));
    report.add("server", server::check(patient));
    report.add("address", address::check(patient).await);
    report.add("route", route::check(patient).await);
    report.add("other-vpns", other_vpns::check(patient).await);
    report.add("round-trip", round_trip::check(patient));
    report.add("inbound", inbound::check(patient).await);
    report.add("resolver", resolver::check(patient));
    report.add("path-mtu", path_mtu::check(patient));
    report.add(TURTLE, turtle::check(patient).await);
    report
}
