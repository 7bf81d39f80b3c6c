//! The core of v6tun: what is sent, accepted and dropped. It does no I/O and reads no clock.
//!
//! [`ClientTunnel`] and [`ServerTunnel`] are the two ends of one WireGuard tunnel that lends
//! IPv6 addresses. Each takes its inputs by `handle_*` with the time as the last argument, and
//! gives its outputs in four places:
//!
//! - datagrams for the network and packets for the tun, written into the [`Outputs`] that the
//!   caller lends with each input (no allocation per packet);
//! - events, by `poll_event`;
//! - the next moment at which it wants `handle_timeout`, by `next_deadline`, with its reason.
//!
//! The caller gives one batch of inputs, drains every output, and sleeps until the deadline.
//! Time must never step back between two calls.
//!
//! A *datagram* is outer (a UDP payload), a *packet* is inner (an IPv6 packet). Whatever is
//! dropped has a [`DropReason`], and is counted in [`Stats`].

mod admission;
mod batch;
mod client_tunnel;
mod control;
mod datagram;
mod drop_reason;
mod endpoint;
mod event;
mod filter;
pub mod lease;
pub mod limits;
pub mod packet;
mod path_mtu;
mod server_tunnel;
mod session;
mod stats;
#[cfg(test)]
mod testing;
mod timer;
mod tunnel;

pub use batch::{DatagramBatch, DatagramSpan, Outputs, PacketBatch, PacketSpan};
pub use client_tunnel::{ClientConfig, ClientState, ClientTunnel, ClientTunnelStatus, Purpose};
pub use control::{
    CONTROL_PORT, EnrolRefusal, InboundResult, Nonce, RefusalReason, SERVER_LINK_LOCAL, TcpResult,
    client_link_local,
};
pub use drop_reason::DropReason;
pub use event::{ClientEvent, Lease, LossReason, ServerEvent};
pub use server_tunnel::{
    ClientEntry, EnrolAnswer, InvitationEntry, LeaseState, PeerStatus, ServerConfig, ServerTunnel, VisitorId,
};
pub use stats::Stats;
pub use timer::{Deadline, DeadlineReason};
pub use tunnel::Tunnel;

/// The version of v6tun, all of whose packages share one: what each end tells the other.
pub const VERSION: (u16, u16, u16) = (
    number(env!("CARGO_PKG_VERSION_MAJOR")),
    number(env!("CARGO_PKG_VERSION_MINOR")),
    number(env!("CARGO_PKG_VERSION_PATCH")),
);

const fn number(text: &str) -> u16 {
    match u16::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("a version is made of small numbers"),
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientTunnel, DatagramBatch, PacketBatch, ServerTunnel, VERSION};

    #[test]
    fn tunnels_can_be_given_to_the_thread_that_owns_them() {
        fn check<T: Send>() {}
        check::<ClientTunnel>();
        check::<ServerTunnel>();
        check::<DatagramBatch>();
        check::<PacketBatch>();
    }

    #[test]
    fn the_version_is_that_of_the_package() {
        let (major, minor, patch) = VERSION;
        assert_eq!(format!("{major}.{minor}.{patch}"), env!("CARGO_PKG_VERSION"));
    }
}
