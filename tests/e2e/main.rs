//! End to end: the real programs in the lab's network, looked at with real tools.

mod address_conflicts;
mod bad_input;
mod client_service;
mod clients;
mod demo;
mod idle;
mod interop;
mod invitations;
mod lease_start;
mod one_command;
mod package;
mod path;
mod pc_changes;
mod pc_untouched;
mod service;
mod tools;
mod turtle;
mod vps_killed;
mod vps_restored;
mod vps_route;
mod vps_shared;
