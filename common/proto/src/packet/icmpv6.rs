//! ICMPv6 messages that concern a link and its neighbours. The tunnel is no such link.

use crate::DropReason;

/// The protocol number of ICMPv6.
pub(crate) const PROTOCOL: u8 = 58;

/// Why a message of that type may not pass; `None` if it may.
///
/// The types are from the IANA registry of ICMPv6 parameters.
pub(crate) const fn refusal(message_type: u8) -> Option<DropReason> {
    match message_type {
        // Multicast listener query, report, done (RFC 2710); report version 2 (RFC 9777).
        130..=132 | 143 => Some(DropReason::MulticastListener),
        // Multicast router discovery (RFC 4286).
        151..=153 => Some(DropReason::MulticastListener),
        // Router and neighbour solicitation and advertisement, redirect (RFC 4861).
        133..=137 => Some(DropReason::NeighbourDiscovery),
        // Inverse neighbour discovery (RFC 3122).
        141 | 142 => Some(DropReason::NeighbourDiscovery),
        // Certification path solicitation and advertisement (RFC 3971).
        148 | 149 => Some(DropReason::NeighbourDiscovery),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn errors_and_echo_pass() {
        for message_type in [1, 2, 3, 4, 128, 129] {
            assert_eq!(refusal(message_type), None);
        }
    }

    #[test]
    fn everything_about_a_link_is_refused() {
        let refused: Vec<u8> = (0..=255).filter(|t| refusal(*t).is_some()).collect();
        let expected: Vec<u8> = (130..=137).chain([141, 142, 143, 148, 149, 151, 152, 153]).collect();
        assert_eq!(refused, expected);
    }
}
