//! Packet Too Big (RFC 4443, section 3.2), which tells a sender what the tunnel carries.

use super::{Ipv6Packet, checksum, icmpv6};
use crate::DropReason;
use crate::batch::PacketBatch;
use crate::limits::{MIN_MTU, TOO_BIG_BURST, TOO_BIG_INTERVAL};
use crate::timer::after;
use std::time::Instant;

const TYPE: u8 = 2;
/// The first ICMPv6 type that tells of no error.
const FIRST_INFORMATIONAL: u8 = 128;
const IPV6_HEADER: usize = 40;
const ICMP_HEADER: usize = 8;
const HOP_LIMIT: u8 = 64;

/// How often senders are told (RFC 4443, section 2.4 f): a token bucket, kept as the moment at which it is full again.
#[derive(Debug, Default)]
pub(crate) struct TooBig {
    full_at: Option<Instant>,
}

impl TooBig {
    /// Refuses a packet that is longer than `mtu`, and tells its sender unless there is nothing to be said: to an error, or
    /// too often.
    ///
    /// The message speaks in the name of the packet's destination, the only address beyond the tunnel that we may use.
    pub(crate) fn refuse(
        &mut self,
        packet: &Ipv6Packet<'_>,
        mtu: u16,
        to_tun: &mut PacketBatch,
        now: Instant,
    ) -> DropReason {
        let told = to_tun.slot().and_then(|slot| self.tell(packet, mtu, slot, now));
        if let Some(len) = told {
            to_tun.commit(len);
        }
        DropReason::PacketTooBig
    }

    /// Writes the message into `room`, and gives its length.
    fn tell(&mut self, packet: &Ipv6Packet<'_>, mtu: u16, room: &mut [u8], now: Instant) -> Option<usize> {
        let is_error = packet.protocol() == icmpv6::PROTOCOL
            && packet.upper_layer().first().is_none_or(|kind| *kind < FIRST_INFORMATIONAL);
        if is_error || !self.take(now) {
            return None;
        }
        write(packet, mtu, room)
    }

    fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let most = TOO_BIG_INTERVAL.saturating_mul(TOO_BIG_BURST.saturating_sub(1));
        let has_token = full_at.saturating_duration_since(now) <= most;
        if has_token {
            self.full_at = Some(after(full_at, TOO_BIG_INTERVAL));
        }
        has_token
    }
}

fn write(packet: &Ipv6Packet<'_>, mtu: u16, room: &mut [u8]) -> Option<usize> {
    // As much of the packet as fits what every link carries.
    let most = usize::from(MIN_MTU).saturating_sub(IPV6_HEADER).saturating_sub(ICMP_HEADER);
    let quoted = packet.bytes().get(..packet.bytes().len().min(most))?;
    let icmp_len = quoted.len().saturating_add(ICMP_HEADER);
    let (header, rest) = room.split_first_chunk_mut::<IPV6_HEADER>()?;
    let message = rest.get_mut(..icmp_len)?;

    let [l1, l2] = u16::try_from(icmp_len).ok()?.to_be_bytes();
    let fixed = [0x60, 0, 0, 0, l1, l2, icmpv6::PROTOCOL, HOP_LIMIT];
    let (from, to) = (packet.destination(), packet.source());
    let addresses = [from.octets(), to.octets()];
    for (place, byte) in header.iter_mut().zip(fixed.iter().chain(addresses.as_flattened())) {
        *place = *byte;
    }

    let [m1, m2] = mtu.to_be_bytes();
    let (icmp_header, body) = message.split_first_chunk_mut::<ICMP_HEADER>()?;
    *icmp_header = [TYPE, 0, 0, 0, 0, 0, m1, m2];
    body.copy_from_slice(quoted);
    let sum = checksum::upper_layer(from, to, icmpv6::PROTOCOL, message).to_be_bytes();
    message.get_mut(2..4)?.copy_from_slice(&sum);
    Some(icmp_len.saturating_add(IPV6_HEADER))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need a first moment")]
mod tests {
    use super::super::tests::packet;
    use super::*;
    use crate::limits::SLOT;
    use std::time::Duration;

    fn told(bytes: &[u8], mtu: u16) -> Option<Vec<u8>> {
        let mut room = [0xaa; SLOT];
        let whole = Ipv6Packet::parse(bytes).unwrap();
        let len = TooBig::default().tell(&whole, mtu, &mut room, Instant::now())?;
        Some(room[..len].to_vec())
    }

    #[test]
    fn the_sender_is_told_what_fits_and_which_packet_did_not() {
        let long = packet(17, &[7; 1400]);
        let bytes = told(&long, 1394).unwrap();
        let answer = Ipv6Packet::parse(&bytes).unwrap();
        let asked = Ipv6Packet::parse(&long).unwrap();
        assert_eq!((answer.source(), answer.destination()), (asked.destination(), asked.source()));
        let message = answer.upper_layer();
        assert_eq!(checksum::upper_layer(answer.source(), answer.destination(), 58, message), 0);
        assert_eq!((message[0], message[1], &message[4..8]), (TYPE, 0, &1394u32.to_be_bytes()[..]));
        assert_eq!(bytes.len(), 1280);
        assert_eq!(message[8..], long[..1232]);
    }

    #[test]
    fn a_short_packet_is_quoted_whole() {
        let short = packet(6, &[1; 100]);
        assert_eq!(told(&short, 1280).unwrap()[48..], short);
    }

    #[test]
    fn an_error_is_answered_by_none_and_a_ping_is() {
        for (kind, is_told) in [(1, false), (2, false), (127, false), (128, true), (129, true)] {
            let mut message = [0; 1400];
            message[0] = kind;
            assert_eq!(told(&packet(58, &message), 1280).is_some(), is_told, "{kind}");
        }
    }

    #[test]
    fn a_flood_is_told_of_at_the_rate_and_no_more() {
        let (start, bytes) = (Instant::now(), packet(17, &[7; 1400]));
        let whole = Ipv6Packet::parse(&bytes).unwrap();
        let mut too_big = TooBig::default();
        let mut count = |now| {
            let mut room = [0; SLOT];
            (0..1000).filter(|_| too_big.tell(&whole, 1280, &mut room, now).is_some()).count()
        };
        assert_eq!(count(start), TOO_BIG_BURST as usize);
        assert_eq!(count(start), 0);
        assert_eq!(count(start + TOO_BIG_INTERVAL), 1);
        assert_eq!(count(start + Duration::from_secs(60)), TOO_BIG_BURST as usize);
    }
}
