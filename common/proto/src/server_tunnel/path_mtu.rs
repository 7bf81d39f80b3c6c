//! What the path to a client carries. The client measures it, and says so in its probes.

use crate::DropReason;
use crate::batch::PacketBatch;
use crate::limits::MIN_MTU;
use crate::packet::{Ipv6Packet, TooBig};
use crate::path_mtu::CONFIRM_AFTER;
use crate::timer::after;
use std::time::{Duration, Instant};

/// The space between two wishes for a probe, of which one may be lost.
const WISH_AGAIN: Duration = Duration::from_secs(1);

/// The path to one client, as long as it stays.
#[derive(Debug, Default)]
pub(crate) struct PeerPath {
    mtu: Option<u16>,
    /// When the client is asked for a probe, if long packets are sent to it then.
    doubt_at: Option<Instant>,
    too_big: TooBig,
}

impl PeerPath {
    /// The greatest packet that arrives, in bytes; `None` while the client has measured none.
    pub(crate) fn mtu(&self) -> Option<u16> {
        self.mtu
    }

    /// The client has sent a probe, with what it has found so far: 0 for nothing.
    pub(crate) fn measured(&mut self, mtu: u16, now: Instant) {
        self.mtu = (mtu >= MIN_MTU).then_some(mtu);
        self.doubt_at = Some(after(now, CONFIRM_AFTER));
    }

    /// Whether a packet fits. The sender of one that does not is told.
    ///
    /// # Errors
    /// [`DropReason::PacketTooBig`].
    pub(crate) fn check(
        &mut self,
        packet: &Ipv6Packet<'_>,
        to_tun: &mut PacketBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        match self.mtu {
            Some(mtu) if packet.bytes().len() > usize::from(mtu) => {
                Err(self.too_big.refuse(packet, mtu, to_tun, now))
            }
            _ => Ok(()),
        }
    }

    /// A packet of that length was sent: whether the client is to be asked if such arrive. It sees only those that do.
    pub(crate) fn is_doubtful(&mut self, len: usize, now: Instant) -> bool {
        let is_due = self.doubt_at.is_some_and(|at| now >= at);
        let is_doubtful = self.mtu.is_some() && len > usize::from(MIN_MTU) && is_due;
        if is_doubtful {
            self.doubt_at = Some(after(now, WISH_AGAIN));
        }
        is_doubtful
    }
}
