//! ICMPv6 messages as bytes: the two of duplicate detection (RFC 4861, sections 4.3, 4.4, 7.1), and echo requests.

use std::net::Ipv6Addr;

use super::{
    FLAG_SOLICITED, HOP_LIMIT, OPTION_TARGET_LINK_LAYER_ADDRESS, OPTION_UNIT, TYPE_NEIGHBOUR_ADVERTISEMENT,
};

const TYPE_ECHO_REQUEST: u8 = 128;
pub(super) const TYPE_NEIGHBOUR_SOLICITATION: u8 = 135;
const OPTION_SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
/// RFC 3971, section 5.3.2; of duplicate detection: RFC 7527.
const OPTION_NONCE: u8 = 14;
pub(super) const NONCE_LEN: usize = 6;

/// Type, code, checksum, flags and target address.
const FIXED_LEN: usize = 24;
pub(super) const IPV6_HEADER_LEN: usize = 40;
pub(super) const NEXT_HEADER_ICMPV6: u8 = 58;

/// A neighbour discovery message as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived<'a> {
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    pub(super) hop_limit: u32,
    /// From the ICMPv6 type on; the kernel has verified the checksum.
    pub(super) bytes: &'a [u8],
}

/// What one says about an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// Somebody is about to take it: a duplicate address detection.
    Claimed { target: Ipv6Addr, nonce: Option<Vec<u8>> },
    /// Somebody has it. The link-layer address may be padded to the end of its option.
    Held { target: Ipv6Addr, link_layer_address: Option<Vec<u8>> },
}

/// Somebody wants to know where an address is, or is about to take it (from `::`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) source: Ipv6Addr,
    pub(super) target: Ipv6Addr,
}

impl Arrived<'_> {
    /// The solicitation that it is, if it is a valid one (RFC 4861, section 7.1.1).
    pub(super) fn question(&self) -> Option<Question> {
        let [TYPE_NEIGHBOUR_SOLICITATION, 0, ..] = *self.bytes else { return None };
        let target: [u8; 16] = self.bytes.get(8..FIXED_LEN)?.try_into().ok()?;
        let target = Ipv6Addr::from(target);
        let options = options(self.bytes.get(FIXED_LEN..)?)?;
        let says_where = options.iter().any(|(kind, _)| *kind == OPTION_SOURCE_LINK_LAYER_ADDRESS);
        let is_claim_in_form = self.destination == solicited_node(target) && !says_where;
        let is_valid = self.hop_limit == u32::from(HOP_LIMIT)
            && !target.is_multicast()
            && (!self.source.is_unspecified() || is_claim_in_form)
            && checksum(self.source, self.destination, self.bytes) == 0;
        is_valid.then_some(Question { source: self.source, target })
    }

    /// What it says; `None` for what is not valid, and for a solicitation that only asks.
    pub(super) fn statement(&self) -> Option<Statement> {
        let [kind, code, _, _, flags, _, _, _, ..] = *self.bytes else { return None };
        let target: [u8; 16] = self.bytes.get(8..FIXED_LEN)?.try_into().ok()?;
        let target = Ipv6Addr::from(target);
        let options = options(self.bytes.get(FIXED_LEN..)?)?;
        if self.hop_limit != u32::from(HOP_LIMIT) || code != 0 || target.is_multicast() {
            return None;
        }
        let option = |wanted| options.iter().find(|(kind, _)| *kind == wanted).map(|(_, body)| body.to_vec());
        match kind {
            TYPE_NEIGHBOUR_SOLICITATION => {
                let is_valid = self.destination == solicited_node(target)
                    && option(OPTION_SOURCE_LINK_LAYER_ADDRESS).is_none();
                (self.source.is_unspecified() && is_valid)
                    .then(|| Statement::Claimed { target, nonce: option(OPTION_NONCE) })
            }
            TYPE_NEIGHBOUR_ADVERTISEMENT => {
                let is_valid = !self.destination.is_multicast() || flags & FLAG_SOLICITED == 0;
                let link_layer_address = option(OPTION_TARGET_LINK_LAYER_ADDRESS);
                is_valid.then_some(Statement::Held { target, link_layer_address })
            }
            _ => None,
        }
    }
}

/// Kind and body of each option; `None` if one has no length or is cut off.
fn options(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut options = Vec::new();
    while let [kind, units, ..] = *bytes {
        let (option, rest) = bytes.split_at_checked(usize::from(units) * OPTION_UNIT)?;
        options.push((kind, option.get(2..)?));
        bytes = rest;
    }
    bytes.is_empty().then_some(options)
}

/// The multicast group that an address's owner listens to (RFC 4291, section 2.7.1).
pub(super) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., x, y, z] = address.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z])
}

/// A solicitation for `target` as a whole IPv6 packet. From the unspecified address it is a duplicate address
/// detection, whose answers go to all nodes, and carries the nonce in place of the link-layer address.
pub(super) fn solicitation(
    source: Ipv6Addr,
    target: Ipv6Addr,
    link_layer_address: &[u8],
    nonce: [u8; NONCE_LEN],
) -> Vec<u8> {
    let mut message = vec![TYPE_NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    if source.is_unspecified() {
        push_option(&mut message, OPTION_NONCE, &nonce);
    } else {
        push_option(&mut message, OPTION_SOURCE_LINK_LAYER_ADDRESS, link_layer_address);
    }
    packet(source, solicited_node(target), HOP_LIMIT, message)
}

/// An advertisement of `target` from itself, as a whole IPv6 packet.
pub(super) fn advertisement(
    target: Ipv6Addr,
    destination: Ipv6Addr,
    flags: u8,
    link_layer_address: &[u8],
) -> Vec<u8> {
    let mut message = vec![TYPE_NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    message.extend(target.octets());
    push_option(&mut message, OPTION_TARGET_LINK_LAYER_ADDRESS, link_layer_address);
    packet(target, destination, HOP_LIMIT, message)
}

/// An echo request without data as a whole IPv6 packet.
pub(super) fn echo_request(source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8, number: u16) -> Vec<u8> {
    let mut message = vec![TYPE_ECHO_REQUEST, 0, 0, 0, 0, 0];
    message.extend(number.to_be_bytes());
    packet(source, destination, hop_limit, message)
}

/// An ICMPv6 message, whose checksum is filled in, behind its IPv6 header.
fn packet(source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8, mut message: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a message here has a hundred bytes at most");
    let sum = checksum(source, destination, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([NEXT_HEADER_ICMPV6, hop_limit]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    debug_assert_eq!(packet.len(), IPV6_HEADER_LEN);
    packet.extend(message);
    packet
}

fn push_option(message: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let units = (2 + body.len()).div_ceil(OPTION_UNIT);
    let end = message.len() + units * OPTION_UNIT;
    message.extend([kind, units.to_le_bytes()[0]]);
    message.extend(body);
    message.resize(end, 0);
}

/// The Internet checksum over the pseudo header and the message (RFC 8200, section 8.1).
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let mut bytes = [source.octets(), destination.octets()].concat();
    bytes.extend((message.len() as u64).to_be_bytes());
    bytes.extend([0, NEXT_HEADER_ICMPV6]);
    bytes.extend(message);
    let pair = |pair: &[u8]| u64::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u64::from);
    let mut sum: u64 = bytes.chunks(2).map(pair).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAC: [u8; 6] = [0x02, 0, 0x5e, 0x10, 0, 1];

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn target() -> Ipv6Addr {
        ip("2001:db8::a133:113:2330")
    }

    /// The solicitation as its receiver has it.
    fn solicited(source: &str) -> (Vec<u8>, Ipv6Addr, Ipv6Addr) {
        let source = ip(source);
        let packet = solicitation(source, target(), &MAC, [7; NONCE_LEN]);
        (packet[IPV6_HEADER_LEN..].to_vec(), source, solicited_node(target()))
    }

    fn held(flags: u8, options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![TYPE_NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
        bytes.extend(target().octets());
        bytes.extend(options);
        bytes
    }

    fn arrived(bytes: &[u8]) -> Arrived<'_> {
        Arrived { source: ip("fe80::2"), destination: ip("fe80::1"), hop_limit: 255, bytes }
    }

    #[test]
    fn a_solicitation_has_the_form_of_the_rfc_and_a_right_checksum() {
        let packet = solicitation(ip("fe80::1"), target(), &MAC, [7; NONCE_LEN]);
        assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(packet[24..40], ip("ff02::1:ff13:2330").octets());
        assert_eq!(packet[40..42], [135, 0]);
        assert_eq!(packet[48..64], target().octets());
        assert_eq!(packet[64..], [1, 1, 0x02, 0, 0x5e, 0x10, 0, 1]);
        assert_eq!(checksum(ip("fe80::1"), solicited_node(target()), &packet[40..]), 0);
    }

    #[test]
    fn one_from_the_unspecified_address_claims_the_target_and_one_from_elsewhere_only_asks() {
        let (bytes, source, destination) = solicited("::");
        let claim = Arrived { source, destination, hop_limit: 255, bytes: &bytes };
        let nonce = Some(vec![7; NONCE_LEN]);
        assert_eq!(claim.statement(), Some(Statement::Claimed { target: target(), nonce }));
        assert_eq!(Arrived { destination: ip("ff02::1"), ..claim }.statement(), None, "RFC 4861, 7.1.1");
        assert_eq!(Arrived { source: ip("fe80::2"), ..claim }.statement(), None);
        let (bytes, ..) = solicited("fe80::1");
        assert_eq!(Arrived { bytes: &bytes, ..claim }.statement(), None, "an address has no place in it");
    }

    #[test]
    fn an_advertisement_says_who_holds_the_target() {
        let option = [2, 1, 0x02, 0, 0x5e, 0x10, 0, 1];
        let bytes = held(0x60, &option);
        let link_layer_address = Some(MAC.to_vec());
        let expected = Some(Statement::Held { target: target(), link_layer_address });
        assert_eq!(arrived(&bytes).statement(), expected);
        let unknown = [[200, 1, 0, 0, 0, 0, 0, 0], option].concat();
        assert_eq!(arrived(&held(0x60, &unknown)).statement(), expected, "unknown options are skipped");
        let without = Some(Statement::Held { target: target(), link_layer_address: None });
        assert_eq!(arrived(&held(0, &[])).statement(), without);
    }

    #[test]
    fn a_question_that_the_rfc_calls_invalid_is_none() {
        let (bytes, source, destination) = solicited("fe80::2");
        let good = Arrived { source, destination, hop_limit: 255, bytes: &bytes };
        assert_eq!(good.question(), Some(Question { source, target: target() }));
        assert_eq!(Arrived { hop_limit: 254, ..good }.question(), None);
        assert_eq!(Arrived { source: ip("fe80::3"), ..good }.question(), None, "the checksum");
        assert_eq!(Arrived { bytes: &bytes[..20], ..good }.question(), None, "cut off");
        let (bytes, source, destination) = solicited("::");
        let claim = Arrived { source, destination, hop_limit: 255, bytes: &bytes };
        assert!(claim.question().is_some());
        assert_eq!(Arrived { destination: ip("ff02::1"), ..claim }.question(), None);
    }

    #[test]
    fn an_answer_comes_from_the_address_itself() {
        let packet = advertisement(target(), ip("fe80::2"), 0xe0, &MAC);
        assert_eq!(packet[8..24], target().octets());
        assert_eq!(packet[40..45], [136, 0, packet[42], packet[43], 0xe0]);
        assert_eq!(packet[64..], [2, 1, 0x02, 0, 0x5e, 0x10, 0, 1]);
        assert_eq!(checksum(target(), ip("fe80::2"), &packet[40..]), 0);
    }

    #[test]
    fn what_the_rfc_calls_invalid_says_nothing() {
        let good = held(0x60, &[]);
        let with = |place: usize, byte| {
            let mut bytes = good.clone();
            bytes[place] = byte;
            bytes
        };
        assert!(arrived(&good).statement().is_some());
        assert_eq!(Arrived { hop_limit: 254, ..arrived(&good) }.statement(), None);
        assert_eq!(Arrived { destination: ip("ff02::1"), ..arrived(&good) }.statement(), None, "solicited");
        for bad in [with(1, 1), with(8, 0xff), with(0, 134), good[..23].to_vec(), Vec::new()] {
            assert_eq!(arrived(&bad).statement(), None, "{bad:?}");
        }
        for options in [&[2, 0, 0, 0, 0, 0, 0, 0][..], &[2, 2, 0, 0, 0, 0, 0, 0], &[2]] {
            assert_eq!(arrived(&held(0, options)).statement(), None, "{options:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(
            kind in prop_oneof![Just(135_u8), Just(136), any::<u8>()],
            rest in proptest::collection::vec(any::<u8>(), 0..200),
            source in any::<[u8; 16]>(),
        ) {
            let bytes = [vec![kind, 0], rest].concat();
            let message = Arrived { source: source.into(), ..arrived(&bytes) };
            let _ = message.statement();
            let _ = Arrived { source: Ipv6Addr::UNSPECIFIED, ..message }.statement();
        }
    }
}
