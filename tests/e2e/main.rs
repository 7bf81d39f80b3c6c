//! End to end: the real programs in the lab's network, looked at with real tools.

mod address_conflicts;
mod bad_input;
mod chaos;
mod client_service;
mod clients;
mod come_back;
mod congestion_marks;
mod crowd;
mod demo;
mod doctor;
mod doctor_faults;
mod every_system_call;
mod first_ping;
mod handover;
mod host_firewall;
mod idle;
mod inbound_policy;
mod interop;
mod invitations;
mod lease_start;
mod ndp_responder;
mod offload;
mod one_command;
mod outages;
mod package;
mod packet_filter;
mod path;
mod path_mtu;
mod pc_changes;
mod pc_untouched;
mod reconciled;
mod renumbered;
mod service;
mod several_endpoints;
mod tools;
mod transfer;
mod tun_deleted;
mod turtle;
mod unreachable;
mod vps_killed;
mod vps_restored;
mod vps_route;
mod vps_shared;
mod when_down;
mod wrong_clock;

use v6tun_tests::lab::Options;

/// The lab that tests of a client's behaviour begin with: `windows.rs` has the same tests in a lab whose PC runs the
/// other client.
fn options() -> Options {
    Options::default()
}
