//! An IPv6 packet (RFC 8200) and its chain of extension headers.

use crate::DropReason;
use crate::limits::MAX_EXTENSION_HEADERS;
use std::net::Ipv6Addr;

const HEADER_LEN: usize = 40;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;

/// An IPv6 packet whose length is what its header says and whose extension headers can be walked.
#[derive(Debug, Clone, Copy)]
pub struct Ipv6Packet<'a> {
    bytes: &'a [u8],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hop_limit: u8,
    chain: Chain<'a>,
}

/// Which part of a fragmented packet it is (RFC 8200 section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fragment {
    /// There is no fragment header.
    None,
    /// It begins with the upper layer's first byte; perhaps there are no more fragments.
    First,
    /// It begins somewhere in the middle of the upper layer.
    Later,
}

/// What follows the fixed header.
#[derive(Debug, Clone, Copy)]
struct Chain<'a> {
    protocol: u8,
    upper_layer: &'a [u8],
    fragment: Fragment,
    is_source_routed: bool,
    has_extensions: bool,
}

impl<'a> Ipv6Packet<'a> {
    /// Checks a packet's structure.
    ///
    /// # Errors
    /// [`DropReason::NotIpv6`], [`DropReason::PacketMalformed`], [`DropReason::Jumbogram`],
    /// [`DropReason::LengthMismatch`], [`DropReason::ExtensionHeaderMalformed`] or
    /// [`DropReason::ExtensionHeadersTooMany`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DropReason> {
        if bytes.first().is_none_or(|byte| byte >> 4 != 6) {
            return Err(DropReason::NotIpv6);
        }
        let (header, payload) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(DropReason::PacketMalformed)?;
        let [_, _, _, _, len_high, len_low, next_header, hop_limit, addresses @ ..] = *header;
        let payload_len = u16::from_be_bytes([len_high, len_low]);
        if payload_len == 0 && next_header == HOP_BY_HOP {
            return Err(DropReason::Jumbogram);
        }
        if usize::from(payload_len) != payload.len() {
            return Err(DropReason::LengthMismatch);
        }
        let [source, destination] = split_addresses(addresses);
        Ok(Self { bytes, source, destination, hop_limit, chain: walk(next_header, payload)? })
    }

    /// The whole packet.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The source address.
    pub fn source(&self) -> Ipv6Addr {
        self.source
    }

    /// The destination address.
    pub fn destination(&self) -> Ipv6Addr {
        self.destination
    }

    /// The hop limit.
    pub fn hop_limit(&self) -> u8 {
        self.hop_limit
    }

    /// The upper layer's protocol number, also of a fragment without the upper layer's header.
    pub fn protocol(&self) -> u8 {
        self.chain.protocol
    }

    /// What follows the extension headers. It begins with the upper layer's header unless it is
    /// a [`Fragment::Later`].
    pub fn upper_layer(&self) -> &'a [u8] {
        self.chain.upper_layer
    }

    /// Which fragment it is.
    pub fn fragment(&self) -> Fragment {
        self.chain.fragment
    }

    /// Whether it carries a routing header of type 0, 2 or 4.
    pub fn is_source_routed(&self) -> bool {
        self.chain.is_source_routed
    }

    /// Whether it carries any extension header.
    pub fn has_extensions(&self) -> bool {
        self.chain.has_extensions
    }
}

fn split_addresses(addresses: [u8; 32]) -> [Ipv6Addr; 2] {
    let (halves, _) = addresses.as_chunks::<16>();
    let mut halves = halves.iter().map(|half| Ipv6Addr::from(*half));
    [(); 2].map(|()| halves.next().unwrap_or(Ipv6Addr::UNSPECIFIED))
}

/// Follows the extension headers to the upper layer or to the end of what can be known.
fn walk(first_header: u8, payload: &[u8]) -> Result<Chain<'_>, DropReason> {
    let mut chain = Chain {
        protocol: first_header,
        upper_layer: payload,
        fragment: Fragment::None,
        is_source_routed: false,
        has_extensions: false,
    };
    for _ in 0..=MAX_EXTENSION_HEADERS {
        let header_len = match chain.protocol {
            // Only the fixed header may be followed by it.
            HOP_BY_HOP if chain.has_extensions => return Err(DropReason::ExtensionHeaderMalformed),
            HOP_BY_HOP | DESTINATION_OPTIONS | HOST_IDENTITY | SHIM6 => eights_beyond_first(&chain)?,
            ROUTING => {
                let routing_type = chain.byte(2)?;
                chain.is_source_routed |= matches!(routing_type, 0 | 2 | 4);
                eights_beyond_first(&chain)?
            }
            AUTHENTICATION => usize::from(chain.byte(1)?).saturating_add(2).saturating_mul(4),
            FRAGMENT => {
                let place = u16::from_be_bytes([chain.byte(2)?, chain.byte(3)?]) >> 3;
                chain.fragment = if place == 0 { Fragment::First } else { Fragment::Later };
                8
            }
            _ => return chain.finished(),
        };
        chain.skip(header_len)?;
        if chain.fragment == Fragment::Later {
            return Ok(chain);
        }
    }
    Err(DropReason::ExtensionHeadersTooMany)
}

fn eights_beyond_first(chain: &Chain<'_>) -> Result<usize, DropReason> {
    Ok(usize::from(chain.byte(1)?).saturating_add(1).saturating_mul(8))
}

impl Chain<'_> {
    fn byte(&self, place: usize) -> Result<u8, DropReason> {
        self.upper_layer.get(place).copied().ok_or(DropReason::ExtensionHeaderMalformed)
    }

    fn skip(&mut self, header_len: usize) -> Result<(), DropReason> {
        self.protocol = self.byte(0)?;
        self.upper_layer = self.upper_layer.get(header_len..).ok_or(DropReason::ExtensionHeaderMalformed)?;
        self.has_extensions = true;
        Ok(())
    }

    /// A first fragment must hold the whole chain and something of the upper layer (RFC 7112).
    fn finished(self) -> Result<Self, DropReason> {
        if self.fragment == Fragment::First && self.upper_layer.is_empty() {
            return Err(DropReason::ExtensionHeaderMalformed);
        }
        Ok(self)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet between two documentation addresses.
    pub(crate) fn packet(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let source = "2001:db8::1".parse().unwrap();
        let destination = "2001:db8:ffff::2".parse().unwrap();
        packet_between(source, destination, next_header, payload)
    }

    /// A packet between any two addresses, with hop limit 64.
    pub(crate) fn packet_between(
        source: Ipv6Addr,
        destination: Ipv6Addr,
        next_header: u8,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend([next_header, 64]);
        bytes.extend(source.octets());
        bytes.extend(destination.octets());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn the_fixed_header_is_read() {
        let bytes = packet(17, &[1, 2, 3, 4, 5, 6, 7, 8]);
        let packet = Ipv6Packet::parse(&bytes).unwrap();
        assert_eq!(packet.source(), "2001:db8::1".parse::<Ipv6Addr>().unwrap());
        assert_eq!(packet.destination(), "2001:db8:ffff::2".parse::<Ipv6Addr>().unwrap());
        assert_eq!((packet.protocol(), packet.hop_limit()), (17, 64));
        assert_eq!(packet.upper_layer(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(packet.fragment(), Fragment::None);
        assert!(!packet.has_extensions());
    }

    #[test]
    fn the_length_must_be_exact() {
        let mut bytes = packet(17, &[0; 8]);
        bytes.push(0);
        assert_eq!(Ipv6Packet::parse(&bytes).unwrap_err(), DropReason::LengthMismatch);
        bytes.truncate(bytes.len() - 2);
        assert_eq!(Ipv6Packet::parse(&bytes).unwrap_err(), DropReason::LengthMismatch);
        assert_eq!(Ipv6Packet::parse(&bytes[..39]).unwrap_err(), DropReason::PacketMalformed);
        assert_eq!(Ipv6Packet::parse(&[]).unwrap_err(), DropReason::NotIpv6);
    }

    #[test]
    fn a_jumbogram_is_refused() {
        let mut bytes = packet(0, &[17, 0, 0xc2, 4, 0, 1, 0, 0]);
        bytes[4..6].fill(0);
        assert_eq!(Ipv6Packet::parse(&bytes).unwrap_err(), DropReason::Jumbogram);
    }

    #[test]
    fn the_upper_layer_is_found_behind_all_extension_headers() {
        let mut payload = vec![60, 0, 1, 4, 0, 0, 0, 0]; // hop-by-hop options, 8 bytes
        payload.extend([51, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // destination options, 16
        payload.extend([58, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // authentication header, 12
        payload.push(128);
        let bytes = packet(0, &payload);
        let parsed = Ipv6Packet::parse(&bytes).unwrap();
        assert_eq!((parsed.protocol(), parsed.upper_layer()), (58, &[128][..]));
        assert!(parsed.has_extensions());
    }

    #[test]
    fn routing_headers_by_which_the_sender_chooses_the_way_are_noticed() {
        for (routing_type, is_source_routed) in [(0, true), (2, true), (3, false), (4, true)] {
            let bytes = packet(43, &[59, 0, routing_type, 0, 0, 0, 0, 0]);
            assert_eq!(Ipv6Packet::parse(&bytes).unwrap().is_source_routed(), is_source_routed);
        }
    }

    #[test]
    fn fragments_are_told_apart() {
        let first = packet(44, &[58, 0, 0, 1, 0, 0, 0, 9, 128]);
        assert_eq!(Ipv6Packet::parse(&first).unwrap().fragment(), Fragment::First);
        let later = packet(44, &[58, 0, 0, 9, 0, 0, 0, 9, 128]);
        let later = Ipv6Packet::parse(&later).unwrap();
        assert_eq!((later.fragment(), later.protocol()), (Fragment::Later, 58));
        let headless = packet(44, &[58, 0, 0, 1, 0, 0, 0, 9]);
        assert_eq!(Ipv6Packet::parse(&headless).unwrap_err(), DropReason::ExtensionHeaderMalformed);
    }

    #[test]
    fn a_chain_that_is_too_long_cut_off_or_out_of_order_is_refused() {
        let mut options = [60, 0, 1, 4, 0, 0, 0, 0].repeat(MAX_EXTENSION_HEADERS + 1);
        let bytes = packet(60, &options);
        assert_eq!(Ipv6Packet::parse(&bytes).unwrap_err(), DropReason::ExtensionHeadersTooMany);
        options.truncate(12);
        let bytes = packet(60, &options);
        assert_eq!(Ipv6Packet::parse(&bytes).unwrap_err(), DropReason::ExtensionHeaderMalformed);
        let bytes = packet(60, &[0, 0, 1, 4, 0, 0, 0, 0, 59, 0, 1, 4, 0, 0, 0, 0]);
        assert_eq!(Ipv6Packet::parse(&bytes).unwrap_err(), DropReason::ExtensionHeaderMalformed);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Ipv6Packet::parse(&bytes);
        }

        #[test]
        fn walking_any_chain_never_panics(
            next_header in prop_oneof![Just(0u8), Just(43), Just(44), Just(51), Just(60), Just(139)],
            payload in proptest::collection::vec(prop_oneof![Just(0u8), Just(60), Just(44), any::<u8>()], 0..120),
        ) {
            let bytes = packet(next_header, &payload);
            if let Ok(packet) = Ipv6Packet::parse(&bytes) {
                prop_assert!(payload.ends_with(packet.upper_layer()));
            }
        }
    }
}
