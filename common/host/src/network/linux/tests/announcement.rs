use std::io::Read;

use socket2::{Domain, Protocol, Socket, Type};

use super::*;

const ETHERTYPE_IPV6: u16 = 0x86dd;

/// Reads packets until the advertisement for `target` comes; its bytes from the IPv6 header on.
fn wait_for_advertisement(socket: &mut Socket, target: Ipv6Addr) -> Vec<u8> {
    let mut buffer = [0; 2048];
    loop {
        let length = socket.read(&mut buffer).expect("the advertisement arrives");
        let packet = &buffer[..length];
        if packet.get(40) == Some(&136) && packet.get(48..64) == Some(&target.octets()[..]) {
            return packet.to_vec();
        }
    }
}

/// The Internet checksum over the pseudo header and the message: 0 if it is right.
fn checksum(packet: &[u8]) -> u16 {
    let length = u32::try_from(packet.len() - 40).unwrap();
    let mut bytes = packet[8..40].to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0, 0, 58]);
    bytes.extend(&packet[40..]);
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
}

#[test]
fn the_neighbours_hear_an_announcement_that_overrides() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        network.sysctls.write(&key(UPLINK, "forwarding"), "1").unwrap();
        let protocol = Protocol::from(i32::from(ETHERTYPE_IPV6.to_be()));
        let mut socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let target = ip("2001:db8::2330");

        network.apply(&Change::Announce { link: UPLINK.into(), address: target }).await.unwrap();

        let packet = wait_for_advertisement(&mut socket, target);
        let observed = network.observe(&[]).await.unwrap();
        let source = observed.link_local_of(UPLINK).unwrap();
        assert_eq!(packet[7], 255, "hop limit");
        assert_eq!(packet[8..24], source.octets());
        assert_eq!(packet[24..40], ip("ff02::1").octets());
        assert_eq!(packet[44], 0xa0, "router and override, not solicited");
        assert_eq!(packet[64..66], [2, 1]);
        assert_eq!(packet[66..72], observed.link(UPLINK).unwrap().mac);
        assert_eq!(checksum(&packet), 0);
    });
}

#[test]
fn an_announcement_without_a_link_local_address_fails_and_stops_nothing() {
    in_namespace(async |network| {
        let address = ip("2001:db8::2330");
        let announce = Change::Announce { link: "lo".into(), address };
        let error = network.apply(&announce).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "announce 2001:db8::2330 on lo: the link has no usable link-local address"
        );
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        carry_out(&network, &mut journal, vec![announce]).await.unwrap();
        assert!(journal.is_empty());
    });
}
