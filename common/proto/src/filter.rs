//! Which inner packets may pass, at both ends and in both directions.
//!
//! | | from the network | from the tun |
//! | --- | --- | --- |
//! | server | source = the sender's lease | destination = a lease (the peer table's to know) |
//! | client | destination = our lease | source = our lease; destination ≠ the server (the tunnel's to know) |
//!
//! and for all four: no multicast, link-local, loopback, unspecified or IPv4-mapped address at
//! either end, no lease at both ends, no source routing, no ND, RA, redirect or MLD.

use crate::DropReason;
use crate::packet::{Fragment, Ipv6Packet, icmpv6};
use std::net::Ipv6Addr;

/// Server: a packet that the holder of `lease` sent.
pub(crate) fn check_from_client(packet: &Ipv6Packet<'_>, lease: Ipv6Addr) -> Result<(), DropReason> {
    check_any(packet)?;
    if packet.source() != lease {
        return Err(DropReason::SourceNotLeased);
    }
    if packet.destination() == lease { Err(DropReason::AddressOwn) } else { Ok(()) }
}

/// Server: a packet for whoever holds its destination.
pub(crate) fn check_to_client(packet: &Ipv6Packet<'_>) -> Result<(), DropReason> {
    check_any(packet)?;
    if packet.source() == packet.destination() { Err(DropReason::AddressOwn) } else { Ok(()) }
}

/// Client: a packet that the server sent to us, who hold `lease`.
pub(crate) fn check_from_server(packet: &Ipv6Packet<'_>, lease: Ipv6Addr) -> Result<(), DropReason> {
    check_any(packet)?;
    if packet.destination() != lease {
        return Err(DropReason::DestinationNotLeased);
    }
    if packet.source() == lease { Err(DropReason::AddressOwn) } else { Ok(()) }
}

/// Client: a packet that this host sends into the tunnel.
pub(crate) fn check_to_server(packet: &Ipv6Packet<'_>, lease: Ipv6Addr) -> Result<(), DropReason> {
    check_from_client(packet, lease)
}

/// Why an address can neither be lent nor spoken to through the tunnel; `None` if it can.
pub(crate) fn refusal(address: Ipv6Addr) -> Option<DropReason> {
    if address.is_multicast() {
        Some(DropReason::AddressMulticast)
    } else if address.is_unicast_link_local() {
        Some(DropReason::AddressLinkLocal)
    } else if address.is_loopback() {
        Some(DropReason::AddressLoopback)
    } else if address.is_unspecified() {
        Some(DropReason::AddressUnspecified)
    } else if address.to_ipv4_mapped().is_some() {
        Some(DropReason::AddressIpv4Mapped)
    } else {
        None
    }
}

fn check_any(packet: &Ipv6Packet<'_>) -> Result<(), DropReason> {
    if let Some(reason) = refusal(packet.source()).or_else(|| refusal(packet.destination())) {
        return Err(reason);
    }
    if packet.is_source_routed() {
        return Err(DropReason::RoutingHeader);
    }
    check_icmpv6(packet)
}

/// Only the first fragment shows the message's type; the later ones come to nothing without it.
fn check_icmpv6(packet: &Ipv6Packet<'_>) -> Result<(), DropReason> {
    if packet.protocol() != icmpv6::PROTOCOL || packet.fragment() == Fragment::Later {
        return Ok(());
    }
    let message_type = packet.upper_layer().first().ok_or(DropReason::PacketMalformed)?;
    icmpv6::refusal(*message_type).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::{packet, packet_between};
    use proptest::prelude::*;

    fn lease() -> Ipv6Addr {
        "2001:db8::1".parse().unwrap()
    }

    fn site() -> Ipv6Addr {
        "2001:db8:ffff::2".parse().unwrap()
    }

    fn from_client(source: Ipv6Addr, destination: Ipv6Addr) -> Result<(), DropReason> {
        let bytes = packet_between(source, destination, 17, &[0; 8]);
        check_from_client(&Ipv6Packet::parse(&bytes)?, lease())
    }

    fn from_server(source: Ipv6Addr, destination: Ipv6Addr) -> Result<(), DropReason> {
        let bytes = packet_between(source, destination, 17, &[0; 8]);
        check_from_server(&Ipv6Packet::parse(&bytes)?, lease())
    }

    #[test]
    fn a_client_speaks_for_its_lease_and_for_nobody_else() {
        assert_eq!(from_client(lease(), site()), Ok(()));
        assert_eq!(from_client(site(), lease()), Err(DropReason::SourceNotLeased));
        assert_eq!(from_client(lease(), lease()), Err(DropReason::AddressOwn));
    }

    #[test]
    fn a_client_takes_what_is_for_its_lease_and_nothing_else() {
        assert_eq!(from_server(site(), lease()), Ok(()));
        assert_eq!(from_server(site(), site()), Err(DropReason::DestinationNotLeased));
        assert_eq!(from_server(lease(), lease()), Err(DropReason::AddressOwn));
    }

    #[test]
    fn addresses_without_a_place_on_the_internet_are_refused_at_either_end() {
        let cases = [
            ("ff02::1", DropReason::AddressMulticast),
            ("fe80::1", DropReason::AddressLinkLocal),
            ("febf::1", DropReason::AddressLinkLocal),
            ("::1", DropReason::AddressLoopback),
            ("::", DropReason::AddressUnspecified),
            ("::ffff:192.0.2.1", DropReason::AddressIpv4Mapped),
        ];
        for (address, reason) in cases {
            let address = address.parse().unwrap();
            assert_eq!(from_client(address, site()), Err(reason));
            assert_eq!(from_client(lease(), address), Err(reason));
            assert_eq!(from_server(address, lease()), Err(reason));
            assert_eq!(from_server(site(), address), Err(reason));
            let bytes = packet_between(address, site(), 17, &[0; 8]);
            assert_eq!(check_to_client(&Ipv6Packet::parse(&bytes).unwrap()), Err(reason));
        }
    }

    #[test]
    fn neighbour_discovery_is_refused_also_behind_options_and_in_a_first_fragment() {
        let bare = packet(58, &[134, 0, 0, 0]);
        let behind_options = packet(60, &[58, 0, 1, 4, 0, 0, 0, 0, 136, 0, 0, 0]);
        let fragmented = packet(44, &[58, 0, 0, 1, 0, 0, 0, 9, 135, 0, 0, 0]);
        for bytes in [bare, behind_options, fragmented] {
            let packet = Ipv6Packet::parse(&bytes).unwrap();
            assert_eq!(check_from_client(&packet, lease()), Err(DropReason::NeighbourDiscovery));
        }
    }

    #[test]
    fn an_icmpv6_packet_without_a_type_is_refused() {
        let bytes = packet(58, &[]);
        let packet = Ipv6Packet::parse(&bytes).unwrap();
        assert_eq!(check_from_client(&packet, lease()), Err(DropReason::PacketMalformed));
    }

    #[test]
    fn source_routes_are_refused() {
        let bytes = packet(43, &[59, 0, 0, 0, 0, 0, 0, 0]);
        let packet = Ipv6Packet::parse(&bytes).unwrap();
        assert_eq!(check_from_client(&packet, lease()), Err(DropReason::RoutingHeader));
    }

    #[test]
    fn later_fragments_pass() {
        let bytes = packet(44, &[58, 0, 0, 9, 0, 0, 0, 9, 135, 0, 0, 0]);
        assert_eq!(check_from_client(&Ipv6Packet::parse(&bytes).unwrap(), lease()), Ok(()));
    }

    proptest! {
        #[test]
        fn ordinary_packets_pass_both_ways(
            protocol in prop_oneof![Just(6u8), Just(17), Just(50), Just(132)],
            payload in proptest::collection::vec(any::<u8>(), 0..1400),
            interface in 1u64..,
        ) {
            let remote = Ipv6Addr::from_bits((0x2001_0db8_ffff_u128 << 80) | u128::from(interface));
            let out = packet_between(lease(), remote, protocol, &payload);
            prop_assert_eq!(check_to_server(&Ipv6Packet::parse(&out).unwrap(), lease()), Ok(()));
            prop_assert_eq!(check_from_client(&Ipv6Packet::parse(&out).unwrap(), lease()), Ok(()));
            let back = packet_between(remote, lease(), protocol, &payload);
            prop_assert_eq!(check_to_client(&Ipv6Packet::parse(&back).unwrap()), Ok(()));
            prop_assert_eq!(check_from_server(&Ipv6Packet::parse(&back).unwrap(), lease()), Ok(()));
        }

        #[test]
        fn what_passes_is_from_the_lease(
            source in any::<u128>(), destination in any::<u128>(), payload in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let bytes = packet_between(Ipv6Addr::from_bits(source), Ipv6Addr::from_bits(destination), 17, &payload);
            let packet = Ipv6Packet::parse(&bytes).unwrap();
            if check_from_client(&packet, lease()).is_ok() {
                prop_assert_eq!(packet.source(), lease());
            }
        }
    }
}
