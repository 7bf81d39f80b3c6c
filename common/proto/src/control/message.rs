//! The control messages: an envelope and what is in it, in postcard's encoding.
//!
//! `version: u8 = 1`, `request id: u32`, then the message. An answer carries the id of what it
//! answers. The number of a message is its place in [`Message`]: new ones are appended, and
//! neither the order nor the fields of the old ones change within a version.

use super::raw_key;
use super::reachability::{InboundResult, Nonce};
use super::refusal::{EnrolRefusal, RefusalReason};
use crate::DropReason;
use crate::filter;
use crate::limits::{MAX_CONTROL, MIN_MTU};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::time::Duration;
use v6tun_keys::{PresharedKey, PublicKey, is_client_name};

/// The version of the whole set of messages.
const VERSION: u8 = 1;

/// A message and the id by which an answer is matched to its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) request_id: u32,
    pub(crate) message: Message,
}

/// What the two ends tell each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A visitor, who came with an invitation: make this key a client. Answered by `Enrolled` or
    /// `EnrolRefused`, perhaps after a while. The name is a suggestion, and may be empty.
    Enrol {
        #[serde(with = "raw_key")]
        public_key: PublicKey,
        name: String,
    },
    /// Server: it is one, of that name; its handshakes are to be made with that preshared key.
    Enrolled {
        #[serde(with = "raw_key")]
        preshared_key: PresharedKey,
        name: String,
    },
    /// Server: it is not.
    EnrolRefused { reason: EnrolRefusal },
    /// Server: you are a client no longer.
    Revoked,
    /// Client: try to reach me, at that TCP port as well unless it is 0. Answered by `InboundResult`, after a while.
    InboundTest { tcp_port: u16 },
    /// Server: so it went.
    InboundResult(InboundResult),
    /// Server: send that to my UDP port, from another one than yours.
    PortTest { port: u16, nonce: Nonce },
    /// Client: does a packet as long as this one arrive? The measured MTU of the path is that so far, 0 if it is not known.
    /// Zero bytes may follow, and are answered by as many.
    Probe { mtu: u16 },
    /// Server: it does.
    ProbeReply,
    /// Server: I send you long packets; see whether they arrive.
    ProbeWanted,
}

/// How many messages there are in this version.
const MESSAGES: u32 = 18;

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

impl Message {
    /// Whether what the fields say makes sense.
    fn is_sound(&self) -> bool {
        match self {
            Self::Lease(terms) | Self::LeaseChanged(terms) => terms.is_sound(),
            Self::Enrol { name, .. } => name.is_empty() || is_client_name(name),
            Self::Enrolled { name, .. } => is_client_name(name),
            _ => true,
        }
    }

    /// Whether it may be as long as any packet, by the zero bytes that follow it.
    fn may_be_padded(&self) -> bool {
        matches!(self, Self::Probe { .. } | Self::ProbeReply)
    }
}

impl Envelope {
    /// Writes it into `room` and gives its length.
    pub(crate) fn encode(&self, room: &mut [u8]) -> Option<usize> {
        let parts = (VERSION, self.request_id, &self.message);
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
        let is_whole = match message.may_be_padded() {
            true => rest.iter().all(|byte| *byte == 0),
            false => rest.is_empty() && bytes.len() <= MAX_CONTROL,
        };
        if message.is_sound() && is_whole {
            Ok(Self { request_id, message })
        } else {
            Err(DropReason::ControlMalformed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::TcpResult;
    use proptest::prelude::*;

    fn terms() -> LeaseTerms {
        let address = "2001:db8:1301:740:a133:0:113:2330".parse().unwrap();
        LeaseTerms { address, mtu: 1440, keepalive: 25, server_version: (0, 1, 0) }
    }

    fn inbound_result() -> InboundResult {
        InboundResult { echo: Some(Duration::from_micros(3)), tcp: TcpResult::Refused }
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
            Message::Enrol { public_key: PublicKey::from_bytes([7; 32]), name: "pc".to_owned() },
            Message::Enrolled { preshared_key: PresharedKey::from_bytes([9; 32]), name: "pc".to_owned() },
            Message::EnrolRefused { reason: EnrolRefusal::AlreadyUsed },
            Message::Revoked,
            Message::InboundTest { tcp_port: 443 },
            Message::InboundResult(inbound_result()),
            Message::PortTest { port: 51820, nonce: [7; 16] },
            Message::Probe { mtu: 1394 },
            Message::ProbeReply,
            Message::ProbeWanted,
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
                let bytes = encoded(request_id, message.clone());
                let message = message.clone();
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
        assert_eq!(encoded(3, Message::EnrolRefused { reason: EnrolRefusal::Withdrawn }), [1, 3, 10, 3]);
        assert_eq!(encoded(0, Message::Revoked), [1, 0, 11]);
        assert_eq!(encoded(1, Message::InboundTest { tcp_port: 300 }), [1, 1, 12, 0xac, 2]);
        assert_eq!(encoded(1, Message::InboundResult(inbound_result())), [1, 1, 13, 1, 0, 0xb8, 0x17, 2]);
        let mut port_test = vec![1, 0, 14, 1];
        port_test.extend([7; 16]);
        assert_eq!(encoded(0, Message::PortTest { port: 1, nonce: [7; 16] }), port_test);
        assert_eq!(encoded(5, Message::Probe { mtu: 1394 }), [1, 5, 15, 0xf2, 0x0a]);
        assert_eq!(encoded(5, Message::ProbeReply), [1, 5, 16]);
        assert_eq!(encoded(0, Message::ProbeWanted), [1, 0, 17]);
        let mut enrol = vec![1, 3, 8];
        enrol.extend([7; 32]);
        enrol.extend([2, b'p', b'c']);
        let public_key = PublicKey::from_bytes([7; 32]);
        assert_eq!(encoded(3, Message::Enrol { public_key, name: "pc".to_owned() }), enrol);
        let mut enrolled = vec![1, 3, 9];
        enrolled.extend([9; 32]);
        enrolled.extend([2, b'p', b'c']);
        let preshared_key = PresharedKey::from_bytes([9; 32]);
        assert_eq!(encoded(3, Message::Enrolled { preshared_key, name: "pc".to_owned() }), enrolled);
    }

    #[test]
    fn a_name_that_could_act_on_a_terminal_is_refused() {
        let public_key = PublicKey::from_bytes([7; 32]);
        for name in ["a\u{1b}[31m", "My PC", "pc\n"] {
            let bytes = encoded(1, Message::Enrol { public_key, name: name.to_owned() });
            assert_eq!(Envelope::decode(&bytes), Err(DropReason::ControlMalformed), "{name:?}");
        }
        let nameless = Message::Enrol { public_key, name: String::new() };
        assert!(Envelope::decode(&encoded(1, nameless)).is_ok());
    }

    #[test]
    fn what_is_not_known_here_is_told_from_what_is_broken() {
        assert_eq!(Envelope::decode(&[2, 0, 5]), Err(DropReason::ControlUnknownVersion));
        assert_eq!(Envelope::decode(&[1, 0, 18]), Err(DropReason::ControlUnknownMessage));
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
    fn only_probes_may_be_followed_by_zeros_and_by_nothing_else() {
        for message in all_messages() {
            let mut bytes = encoded(1, message.clone());
            bytes.resize(1452, 0);
            let is_taken = Envelope::decode(&bytes).is_ok();
            assert_eq!(is_taken, message.may_be_padded(), "{message:?}");
            *bytes.last_mut().unwrap() = 1;
            assert_eq!(Envelope::decode(&bytes), Err(DropReason::ControlMalformed));
        }
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
        fn decoding_what_begins_well_never_panics(number in 0u8..19, rest in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut bytes = vec![1, 0, number];
            bytes.extend(rest);
            if let Ok(envelope) = Envelope::decode(&bytes) {
                prop_assert!(encoded(envelope.request_id, envelope.message).len() <= bytes.len());
            }
        }
    }
}
