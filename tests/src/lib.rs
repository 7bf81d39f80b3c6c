//! The laboratory of v6tun.
//!
//! [`lab`] builds the network that v6tun exists for out of network namespaces, on one Linux machine, as
//! root: a PC behind two IPv4 NATs, a VPS on a provider's shared segment, and an IPv6 site whose turtle
//! dances for IPv6 visitors only. [`product`] runs the real `v6tun-server` and `v6tun-client` in it.
//! [`turtle_site`] is that site, [`stock_wireguard`] a peer that knows nothing of v6tun, and [`hostile_peer`]
//! one that means harm. [`systemd_host`] is a machine on which services run, [`windows_pc`] one with Windows, and
//! [`windows_machine`] a Windows without a network. [`plain_tunnel`] and [`iperf`] measure. The end-to-end tests
//! (`tests/e2e`) and the `demo` program stand on these.

pub mod hostile_peer;
pub mod iperf;
pub mod lab;
pub mod plain_tunnel;
pub mod product;
pub mod seed;
pub mod stock_wireguard;
pub mod systemd_host;
pub mod turtle_site;
pub mod windows_machine;
pub mod windows_pc;
