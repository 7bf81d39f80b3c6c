//! ACTS: all that v6tun does to the operating system, and all of its unsafe code.
//!
//! This crate knows nothing of the protocol. It moves bytes between a tun device and a UDP socket for an engine
//! that decides ([`data_path`]), brings the host's network into a declared state and back, and keeps the running
//! program single, reachable and stoppable.
//!
//! Everything on the data path is synchronous and owned by one thread; everything else is async and slow.

#[cfg(target_os = "linux")]
mod async_descriptor;
#[cfg(target_os = "linux")]
pub mod clock;
pub mod control_socket;
pub mod data_path;
pub mod directory;
pub mod durable_file;
pub mod echo;
pub mod fair_queue;
pub mod instance_lock;
pub mod limits;
#[cfg(target_os = "linux")]
pub mod neighbour_discovery;
pub mod network;
pub mod offload;
#[cfg(target_os = "linux")]
pub mod packet_filter;
pub mod paths;
pub mod power;
pub mod privilege;
pub mod signal;
#[cfg(target_os = "linux")]
pub mod socket_use;
pub mod tun;
pub mod udp;
#[cfg(windows)]
pub mod windows_event_log;
#[cfg(windows)]
pub mod windows_program;
