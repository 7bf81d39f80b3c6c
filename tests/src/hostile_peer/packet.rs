//! Inner packets, well-formed to the checksum unless the caller breaks them: what a filter lets through
//! by mistake must not be stopped by the kernel behind it.

use std::net::Ipv6Addr;

/// Bytes of the IPv6 header.
pub const HEADER: usize = 40;
/// Next header: hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// Next header: UDP.
pub const UDP: u8 = 17;
/// Next header: routing header.
pub const ROUTING: u8 = 43;
/// Next header: fragment header.
pub const FRAGMENT: u8 = 44;
/// Next header: ICMPv6.
pub const ICMPV6: u8 = 58;
/// Next header: destination options.
pub const DESTINATION_OPTIONS: u8 = 60;

const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
/// The identifier of this peer's echo requests.
const ECHO_IDENTIFIER: [u8; 2] = *b"v6";

/// An IPv6 packet (RFC 8200, section 3).
#[must_use]
pub fn ipv6(from: Ipv6Addr, to: Ipv6Addr, next_header: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([next_header, hop_limit]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(payload);
    packet
}

/// An ICMPv6 message with the right checksum (RFC 4443, section 2.1).
#[must_use]
pub fn icmpv6(from: Ipv6Addr, to: Ipv6Addr, hop_limit: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend(body);
    let sum = checksum(from, to, ICMPV6, &message);
    message[2..4].copy_from_slice(&sum);
    ipv6(from, to, ICMPV6, hop_limit, &message)
}

/// An echo request that carries `sequence`.
#[must_use]
pub fn echo_request(from: Ipv6Addr, to: Ipv6Addr, sequence: u16) -> Vec<u8> {
    let mut body = ECHO_IDENTIFIER.to_vec();
    body.extend(sequence.to_be_bytes());
    body.extend([0x76; 32]);
    icmpv6(from, to, 64, ECHO_REQUEST, &body)
}

/// Whether `packet` answers [`echo_request`] number `sequence`.
#[must_use]
pub fn is_echo_reply(packet: &[u8], sequence: u16) -> bool {
    let message = packet.get(HEADER..HEADER + 8).unwrap_or_default();
    message.starts_with(&[ECHO_REPLY])
        && message[4..6] == ECHO_IDENTIFIER
        && message[6..8] == sequence.to_be_bytes()
}

/// A UDP datagram with the right checksum.
#[must_use]
pub fn udp(from: Ipv6Addr, to: Ipv6Addr, hop_limit: u8, ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
    let mut datagram = Vec::new();
    for field in [ports[0], ports[1], length, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    let sum = checksum(from, to, UDP, &datagram);
    datagram[6..8].copy_from_slice(&sum);
    ipv6(from, to, UDP, hop_limit, &datagram)
}

/// `packet` with an extension header of the type `kind` put in front of its payload. The first byte of
/// `extension` is overwritten by the type of what follows it.
#[must_use]
pub fn with_extension(packet: &[u8], kind: u8, extension: &[u8]) -> Vec<u8> {
    let mut changed = packet[..HEADER].to_vec();
    let follows = std::mem::replace(&mut changed[6], kind);
    changed.push(follows);
    changed.extend(&extension[1..]);
    changed.extend(&packet[HEADER..]);
    set_payload_length(&mut changed, packet.len() + extension.len() - HEADER);
    changed
}

/// `packet` with another payload length in its header.
pub fn set_payload_length(packet: &mut [u8], length: usize) {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    packet[4..6].copy_from_slice(&length.to_be_bytes());
}

/// The Internet checksum over pseudo-header and message (RFC 8200, section 8.1).
fn checksum(from: Ipv6Addr, to: Ipv6Addr, next_header: u8, message: &[u8]) -> [u8; 2] {
    let mut covered = [from.octets(), to.octets()].concat();
    covered.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    covered.extend([0, 0, 0, next_header]);
    covered.extend(message);
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u32 = covered.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., high, low] = (!sum).to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_message_with_its_checksum_is_zero() {
        let (from, to) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let packet = echo_request(from, to, 9);
        assert_eq!(checksum(from, to, ICMPV6, &packet[HEADER..]), [0, 0]);
    }

    #[test]
    fn an_extension_header_stands_between_header_and_payload() {
        let (from, to) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let packet =
            with_extension(&echo_request(from, to, 9), DESTINATION_OPTIONS, &[0, 0, 1, 4, 0, 0, 0, 0]);
        assert_eq!((packet[6], packet[40], packet[48]), (DESTINATION_OPTIONS, ICMPV6, ECHO_REQUEST));
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len() - HEADER);
    }
}
