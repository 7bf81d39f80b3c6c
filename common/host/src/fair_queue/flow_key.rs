//! Which flow a packet belongs to.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};

use crate::limits::QUEUE_FLOWS;

/// Spreads flows over the queues by a secret of this process, so that nobody can choose whom to share one with.
#[derive(Clone, Debug, Default)]
pub(super) struct FlowHasher(RandomState);

impl FlowHasher {
    /// The place of the packet's flow: addresses, protocol, and ports where TCP or UDP follows at once.
    pub(super) fn place(&self, packet: &[u8]) -> u16 {
        let mut hasher = self.0.build_hasher();
        let protocol = packet.get(6).copied().unwrap_or_default();
        protocol.hash(&mut hasher);
        packet.get(8..40).unwrap_or_default().hash(&mut hasher);
        if matches!(protocol, 6 | 17) {
            packet.get(40..44).unwrap_or_default().hash(&mut hasher);
        }
        // The remainder is below the number of queues, which a `u16` holds.
        (hasher.finish() % u64::from(QUEUE_FLOWS)) as u16
    }
}
