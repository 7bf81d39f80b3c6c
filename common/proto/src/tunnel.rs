//! What the two ends of a tunnel have in common: the contract of the core.

use crate::packet::Ecn;
use crate::{
    ClientEvent, ClientTunnel, ClientTunnelStatus, Deadline, Outputs, PeerStatus, ServerEvent, ServerTunnel,
    Stats,
};
use std::net::SocketAddr;
use std::time::Instant;

/// One end of a tunnel, as an event loop drives it. The methods are those of [`ClientTunnel`] and
/// [`ServerTunnel`].
pub trait Tunnel {
    /// What happened, for the event loop to perform and to tell.
    type Event;
    /// Its figures at one moment.
    type Status;

    /// A UDP payload from the network, and what its header said of congestion.
    fn handle_datagram(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        ecn: Ecn,
        out: &mut Outputs<'_>,
        now: Instant,
    );
    /// A packet from the tun.
    fn handle_packet(&mut self, packet: &[u8], out: &mut Outputs<'_>, now: Instant);
    /// The deadline has passed.
    fn handle_timeout(&mut self, out: &mut Outputs<'_>, now: Instant);
    /// An orderly stop: the other end is told.
    fn handle_stop(&mut self, out: &mut Outputs<'_>, now: Instant);
    /// The next event, until there is none.
    fn poll_event(&mut self) -> Option<Self::Event>;
    /// When [`handle_timeout`](Self::handle_timeout) is wanted next.
    fn next_deadline(&self) -> Option<Deadline>;
    /// The figures as they are.
    fn status(&self, now: Instant) -> Self::Status;
    /// What was dropped so far.
    fn stats(&self) -> &Stats;
}

macro_rules! tunnel {
    ($tunnel:ty, $event:ty, $status:ty) => {
        impl Tunnel for $tunnel {
            type Event = $event;
            type Status = $status;

            fn handle_datagram(
                &mut self,
                source: SocketAddr,
                datagram: &[u8],
                ecn: Ecn,
                out: &mut Outputs<'_>,
                now: Instant,
            ) {
                Self::handle_datagram(self, source, datagram, ecn, out, now);
            }

            fn handle_packet(&mut self, packet: &[u8], out: &mut Outputs<'_>, now: Instant) {
                Self::handle_packet(self, packet, out, now);
            }

            fn handle_timeout(&mut self, out: &mut Outputs<'_>, now: Instant) {
                Self::handle_timeout(self, out, now);
            }

            fn handle_stop(&mut self, out: &mut Outputs<'_>, now: Instant) {
                Self::handle_stop(self, out, now);
            }

            fn poll_event(&mut self) -> Option<$event> {
                Self::poll_event(self)
            }

            fn next_deadline(&self) -> Option<Deadline> {
                Self::next_deadline(self)
            }

            fn status(&self, now: Instant) -> $status {
                Self::status(self, now)
            }

            fn stats(&self) -> &Stats {
                Self::stats(self)
            }
        }
    };
}

tunnel!(ClientTunnel, ClientEvent, ClientTunnelStatus);
tunnel!(ServerTunnel, ServerEvent, Vec<PeerStatus>);
