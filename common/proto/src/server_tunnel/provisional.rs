//! Clients whose clock has gone back.
//!
//! The engine refuses an initiation whose time stamp is not newer than the last one's: it may be a recorded one, sent
//! again (WireGuard, section 5.1). It may as well be that of a client that was started anew with its clock wrong, now or
//! before, and that would be locked out until the server has forgotten it. So such an initiation is answered by an
//! engine of its own beside the client's session, which goes on. Who sends a data message that this engine can
//! authenticate has heard its answer, as nobody can who sends a recorded initiation: then the client's session is that
//! one. Until then it moves nothing and carries nothing.

use super::ServerTunnel;
use crate::DropReason;
use crate::batch::DatagramBatch;
use crate::session::{Handshake, Session, SessionError};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How many initiations of one client are answered at one time in this way. Whoever sends recorded ones, twenty a second
/// at the most, must not displace the client's own before its data have come.
pub(crate) const MAX_PROVISIONAL: usize = 4;
/// How long the first data message is waited for: two round trips of the slowest line.
const PATIENCE: Duration = Duration::from_secs(5);

/// An engine that has answered such an initiation.
pub(crate) struct Provisional {
    pub(crate) session: Session,
    since: Instant,
    /// The initiator's ephemeral public key, by which the same initiation is known again.
    ephemeral: [u8; 32],
}

/// Where an initiation has its ephemeral key (WireGuard, section 5.4.2): behind type, reserved bytes and sender.
fn ephemeral_of(initiation: &[u8]) -> Option<[u8; 32]> {
    initiation.get(8..40)?.try_into().ok()
}

impl ServerTunnel {
    /// Answers an initiation that the client's session has refused for its time stamp alone.
    pub(super) fn receive_outdated(
        &mut self,
        place: usize,
        source: SocketAddr,
        initiation: &[u8],
        to_network: &mut DatagramBatch,
        now: Instant,
    ) -> Result<(), DropReason> {
        let ephemeral = ephemeral_of(initiation).ok_or(DropReason::DatagramMalformed)?;
        let index = self.peers.free_index(&mut self.rng, |index| self.visitors.is_taken(index));
        let peer = self.peers.get_mut(place).ok_or(DropReason::UnknownKey)?;
        if peer.provisional.iter().any(|known| known.ephemeral == ephemeral) {
            return Err(DropReason::HandshakeOutdated);
        }
        let slot = to_network.slot().ok_or(DropReason::BatchFull)?;
        let mut session = self.identity.session(&peer.with(), index);
        match session.receive_handshake(source.ip().to_canonical(), initiation, slot) {
            Ok(Handshake::Accepted(len)) => {
                peer.commit(to_network, len, source);
                self.peers.add_provisional(place, Provisional { session, since: now, ephemeral });
                Ok(())
            }
            Ok(Handshake::Cookie(len)) => {
                to_network.commit(len, source);
                Err(DropReason::HandshakeUnderLoad)
            }
            Err(SessionError::Dropped(reason)) => Err(reason),
            Err(SessionError::Panicked) => Err(DropReason::SessionPanicked),
        }
    }

    /// Gives up those that nobody has completed.
    pub(super) fn expire_provisional(&mut self, place: usize, now: Instant) {
        self.peers.retain_provisional(place, |one| now.saturating_duration_since(one.since) < PATIENCE);
    }
}
