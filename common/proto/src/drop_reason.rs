//! Why a datagram or a packet went no further.

use std::fmt;

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Why a datagram or a packet went no further. Each is counted in [`Stats`](crate::Stats).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DropReason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl DropReason {
            /// All of them, in the order of the path: outer, session, inner, lease, control.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in `status --json` and in the logs: kebab-case, never changed once given.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

drop_reasons! {
    /// The UDP payload is no WireGuard message.
    DatagramMalformed = "datagram-malformed",
    /// The UDP payload is longer than any that a peer of ours sends.
    DatagramTooLong = "datagram-too-long",
    /// The sender's UDP port is 0, or its address is one that nothing can be sent to.
    DatagramSourceUnusable = "datagram-source-unusable",
    /// The handshake message's mac1 is wrong: its sender does not know our public key.
    HandshakeBadMac = "handshake-bad-mac",
    /// The source sends more handshake messages than its share.
    HandshakeRateLimited = "handshake-rate-limited",
    /// All sources together send too many; this one was sent a cookie to prove its address.
    HandshakeUnderLoad = "handshake-under-load",
    /// The handshake message is forged, repeated, or was not asked for.
    HandshakeRefused = "handshake-refused",
    /// The handshake initiation is not newer than one before: repeated, or the sender's clock has gone back.
    HandshakeOutdated = "handshake-outdated",
    /// The handshake is from a public key that is not configured.
    UnknownKey = "unknown-key",
    /// No session has that receiver index, there is none to send with, or none came in time.
    NoSession = "no-session",
    /// The data message's counter is beyond what WireGuard allows to be used.
    CounterExhausted = "counter-exhausted",
    /// The data message was received before, or is too old to tell.
    Replayed = "replayed",
    /// The data message's authentication tag is wrong.
    NotAuthentic = "not-authentic",
    /// The WireGuard engine failed on it; that client's session was given up.
    SessionPanicked = "session-panicked",
    /// The peer's address is not known, so nothing can be sent to it.
    NoEndpoint = "no-endpoint",
    /// More packets than wait for a session's keys.
    QueueFull = "queue-full",
    /// The output batch is full.
    BatchFull = "batch-full",
    /// The datagram met congestion on its way, and its packet's sender can be told only by its loss (RFC 6040).
    Congestion = "congestion",

    /// The inner packet is not IPv6.
    NotIpv6 = "not-ipv6",
    /// The inner packet ends inside a header.
    PacketMalformed = "packet-malformed",
    /// The inner packet is longer than any lent MTU.
    PacketTooLong = "packet-too-long",
    /// The inner packet is longer than the path carries. Its sender is told (ICMPv6 Packet Too Big), at a bounded rate.
    PacketTooBig = "packet-too-big",
    /// The inner packet is longer or shorter than its header says.
    LengthMismatch = "length-mismatch",
    /// A jumbogram (RFC 2675), whose header does not say its length.
    Jumbogram = "jumbogram",
    /// An extension header is out of place, or ends beyond the packet.
    ExtensionHeaderMalformed = "extension-header-malformed",
    /// More extension headers than are walked.
    ExtensionHeadersTooMany = "extension-headers-too-many",
    /// A routing header of type 0, 2 or 4, by which the sender chooses the way.
    RoutingHeader = "routing-header",
    /// Neighbour or router discovery, or a redirect: it speaks about a link that is not shared.
    NeighbourDiscovery = "neighbour-discovery",
    /// Multicast listener or router discovery.
    MulticastListener = "multicast-listener",
    /// A multicast source or destination.
    AddressMulticast = "address-multicast",
    /// A link-local source or destination.
    AddressLinkLocal = "address-link-local",
    /// The loopback address as source or destination.
    AddressLoopback = "address-loopback",
    /// The unspecified address as source or destination.
    AddressUnspecified = "address-unspecified",
    /// An IPv4-mapped source or destination.
    AddressIpv4Mapped = "address-ipv4-mapped",
    /// The lease's own address at the other end of the packet, too.
    AddressOwn = "address-own",

    /// The source is not the lease of the one who sent it.
    SourceNotLeased = "source-not-leased",
    /// The destination is not our lease.
    DestinationNotLeased = "destination-not-leased",
    /// The destination is nobody's lease.
    NoSuchLease = "no-such-lease",
    /// The destination is the server's own address: what the tunnel itself sends was routed into it.
    EndpointInTunnel = "endpoint-in-tunnel",
    /// We hold no lease.
    NoLease = "no-lease",
    /// More packets than are held while the host brings the lease up, or held when the client left.
    LeasePending = "lease-pending",
    /// The host could not bring the lease up.
    LeaseFailed = "lease-failed",

    /// A link-local source that is not the sender's own.
    ControlSourceMismatch = "control-source-mismatch",
    /// A packet to a link-local address that is no control datagram of ours.
    ControlMalformed = "control-malformed",
    /// A control datagram whose hop limit is not 255.
    ControlHopLimit = "control-hop-limit",
    /// A control datagram whose UDP checksum is wrong.
    ControlChecksum = "control-checksum",
    /// A control message of a version that is not known here.
    ControlUnknownVersion = "control-unknown-version",
    /// A control message of a kind that is not known here.
    ControlUnknownMessage = "control-unknown-message",
    /// A control message that this end does not take, or that answers nothing that was asked.
    ControlUnexpected = "control-unexpected",

    /// More events than the caller polls.
    EventOverflow = "event-overflow",
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::DropReason;
    use std::collections::HashSet;

    #[test]
    fn names_are_kebab_case_and_each_is_used_once() {
        let mut seen = HashSet::new();
        for reason in DropReason::ALL {
            let name = reason.as_str();
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{name}"
            );
            assert!(seen.insert(name), "{name} names two reasons");
        }
    }

    #[test]
    fn the_protocol_document_names_each() {
        let document = include_str!("../../../docs/protocol.md");
        for reason in DropReason::ALL {
            assert!(document.contains(&format!("| `{reason}` |")), "{reason} is missing");
        }
    }

    #[test]
    fn reasons_stand_at_their_own_place_in_the_list() {
        for (place, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
        }
    }
}
