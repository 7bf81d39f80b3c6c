//! End to end: the real programs in the lab's network, looked at with real tools.

mod bad_input;
mod demo;
mod idle;
mod interop;
mod lease_start;
mod package;
mod path;
mod pc_untouched;
mod service;
mod tools;
mod turtle;
mod vps_killed;
mod vps_restored;
mod vps_route;
mod vps_shared;
