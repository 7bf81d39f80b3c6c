//! The control messages: an envelope and what is in it, in postcard's encoding.
//!
//! `version: u8 = 1`, `request id: u32`, then the message. An answer carries the id of what it
//! answers. The number of a message is its place in [`Message`]: new ones are appended, and
//! neither the order nor the fields of the old ones change within a version.

use crate::DropReason;
use crate::filter;
use crate::limits::MIN_MTU;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv6Addr;
use std::time::Duration;

/// The version of the whole set of messages.
const VERSION: u8 = 1;

/// A message and the id by which an answer is matched to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) request_id: u32,
    pub(crate) message: Message,
}

/// What the two ends tell each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// Client: which address is mine? Answered by `Lease` or `Refused`, perhaps after a while.
    LeaseRequest { client_version: (u16, u16, u16) },
    /// Server: this one, and the host carries it.
    Lease(LeaseTerms),
    /// Server: none.
    Refused { reason: RefusalReason },
    /// Server: you use another address than the one that is yours.
    LeaseChanged(LeaseTerms),
    /// Client: from here on I use the changed one.
    LeaseAccepted,
    /// Client: are you there?
    Heartbeat,
    /// Server: yes.
    HeartbeatReply,
    /// Either: I stop. Seconds to wait before the next try, if one is worth waiting for.
    Bye { pause: Option<u16> },
}

/// How many messages there are in this version.
const MESSAGES: u32 = 8;

/// What is lent, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseTerms {
    pub(crate) address: Ipv6Addr,
    /// The greatest inner packet, in bytes, that the server's side of the path takes.
    pub(crate) mtu: u16,
    /// Seconds between heartbeats on an idle tunnel; 0 for none.
    pub(crate) keepalive: u16,
    pub(crate) server_version: (u16, u16, u16),
}

impl LeaseTerms {
    fn is_sound(&self) -> bool {
        filter::refusal(self.address).is_none() && self.mtu >= MIN_MTU
    }

    pub(crate) fn keepalive(&self) -> Duration {
        Duration::from_secs(self.keepalive.into())
    }
}

/// Why a client was given no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum RefusalReason {
    /// The server's host could not bring the address up.
    HostFailed,
    /// Never sent: the server answers handshakes and no lease request, as a stock WireGuard
    /// server does, for which the client needs `address` in its configuration.
    NoAnswer,
    /// A reason that a newer server gives.
    Other(u8),
}

impl From<u8> for RefusalReason {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::HostFailed,
            other => Self::Other(other),
        }
    }
}

impl From<RefusalReason> for u8 {
    fn from(reason: RefusalReason) -> Self {
        match reason {
            RefusalReason::NoAnswer => 0,
            RefusalReason::HostFailed => 1,
            RefusalReason::Other(code) => code,
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostFailed => f.write_str("the server's host could not bring the address up"),
            Self::NoAnswer => f.write_str("the server answers no lease request"),
            Self::Other(code) => write!(f, "the server gives reason {code}, which is not known here"),
        }
    }
}

impl Envelope {
    /// Writes it into `room` and gives its length.
    pub(crate) fn encode(&self, room: &mut [u8]) -> Option<usize> {
        let parts = (VERSION, self.request_id, self.message);
        postcard::to_slice(&parts, room).ok().map(|written| written.len())
    }

    /// Reads one that has to be the whole of `bytes`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DropReason> {
        let (version, rest) = bytes.split_first().ok_or(DropReason::ControlMalformed)?;
        if *version != VERSION {
            return Err(DropReason::ControlUnknownVersion);
        }
        let malformed = |_| DropReason::ControlMalformed;
        let (request_id, rest) = postcard::take_from_bytes::<u32>(rest).map_err(malformed)?;
        let (number, _) = postcard::take_from_bytes::<u32>(rest).map_err(malformed)?;
        if number >= MESSAGES {
            return Err(DropReason::ControlUnknownMessage);
        }
        let (message, rest) = postcard::take_from_bytes::<Message>(rest).map_err(malformed)?;
        let is_sound = match &message {
            Message::Lease(terms) | Message::LeaseChanged(terms) => terms.is_sound(),
            _ => true,
        };
        if is_sound && rest.is_empty() {
            Ok(Self { request_id, message })
        } else {
            Err(DropReason::ControlMalformed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_CONTROL;
    use proptest::prelude::*;

    fn terms() -> LeaseTerms {
        let address = "2001:db8:1301:740:a133:0:113:2330".parse().unwrap();
        LeaseTerms { address, mtu: 1440, keepalive: 25, server_version: (0, 1, 0) }
    }

    fn all_messages() -> [Message; MESSAGES as usize] {
        [
            Message::LeaseRequest { client_version: (0, 1, 0) },
            Message::Lease(terms()),
            Message::Refused { reason: RefusalReason::HostFailed },
            Message::LeaseChanged(terms()),
            Message::LeaseAccepted,
            Message::Heartbeat,
            Message::HeartbeatReply,
            Message::Bye { pause: Some(10) },
        ]
    }

    fn encoded(request_id: u32, message: Message) -> Vec<u8> {
        let mut room = [0; MAX_CONTROL];
        let len = Envelope { request_id, message }.encode(&mut room).unwrap();
        room[..len].to_vec()
    }

    #[test]
    fn every_message_comes_back_as_it_was() {
        for message in all_messages() {
            for request_id in [0, 127, 128, u32::MAX] {
                let bytes = encoded(request_id, message);
                assert_eq!(Envelope::decode(&bytes), Ok(Envelope { request_id, message }));
            }
        }
    }

    #[test]
    fn the_bytes_on_the_wire_do_not_change() {
        assert_eq!(
            encoded(5, Message::LeaseRequest { client_version: (0, 1, 300) }),
            [1, 5, 0, 0, 1, 0xac, 2]
        );
        let mut lease = vec![1, 0x80, 1, 1];
        lease.extend(terms().address.octets());
        lease.extend([0xa0, 0x0b, 25, 0, 1, 0]);
        assert_eq!(encoded(128, Message::Lease(terms())), lease);
        assert_eq!(encoded(1, Message::Refused { reason: RefusalReason::HostFailed }), [1, 1, 2, 1]);
        assert_eq!(encoded(1, Message::LeaseAccepted), [1, 1, 4]);
        assert_eq!(encoded(1, Message::Heartbeat), [1, 1, 5]);
        assert_eq!(encoded(1, Message::HeartbeatReply), [1, 1, 6]);
        assert_eq!(encoded(0, Message::Bye { pause: None }), [1, 0, 7, 0]);
        assert_eq!(encoded(0, Message::Bye { pause: Some(60) }), [1, 0, 7, 1, 60]);
    }

    #[test]
    fn what_is_not_known_here_is_told_from_what_is_broken() {
        assert_eq!(Envelope::decode(&[2, 0, 5]), Err(DropReason::ControlUnknownVersion));
        assert_eq!(Envelope::decode(&[1, 0, 8]), Err(DropReason::ControlUnknownMessage));
        for broken in [&[][..], &[1], &[1, 0], &[1, 0, 5, 0], &[1, 0x80, 0x80, 0x80, 0x80, 0x80]] {
            assert_eq!(Envelope::decode(broken), Err(DropReason::ControlMalformed));
        }
    }

    #[test]
    fn a_refusal_for_a_reason_of_the_future_is_still_a_refusal() {
        let message = Message::Refused { reason: RefusalReason::Other(9) };
        assert_eq!(Envelope::decode(&[1, 1, 2, 9]), Ok(Envelope { request_id: 1, message }));
    }

    #[test]
    fn a_lease_that_nobody_can_use_is_refused() {
        let address = "fe80::5".parse().unwrap();
        for terms in [LeaseTerms { address, ..terms() }, LeaseTerms { mtu: 1279, ..terms() }] {
            let bytes = encoded(1, Message::Lease(terms));
            assert_eq!(Envelope::decode(&bytes), Err(DropReason::ControlMalformed));
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Envelope::decode(&bytes);
        }

        #[test]
        fn decoding_what_begins_well_never_panics(number in 0u8..9, rest in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut bytes = vec![1, 0, number];
            bytes.extend(rest);
            if let Ok(envelope) = Envelope::decode(&bytes) {
                prop_assert!(encoded(envelope.request_id, envelope.message).len() <= bytes.len());
            }
        }
    }
}
