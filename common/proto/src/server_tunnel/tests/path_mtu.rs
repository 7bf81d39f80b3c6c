//! The server and a path that does not carry everything: the client has measured it.

use super::*;
use crate::path_mtu::CONFIRM_AFTER;

fn probed(mtu: u16) -> Rig {
    let mut rig = Rig::ready();
    rig.lent.datagrams();
    rig.control(5, Message::Probe { mtu });
    rig.lent.datagrams();
    rig
}

fn long(len: usize) -> Vec<u8> {
    packet_between(site(), lease(), 17, &vec![7; len - 40])
}

fn syn(source: Ipv6Addr, destination: Ipv6Addr, mss: u16) -> Vec<u8> {
    let mut segment = [0; 24];
    (segment[12], segment[13]) = (6 << 4, 2);
    segment[20..22].copy_from_slice(&[2, 4]);
    segment[22..24].copy_from_slice(&mss.to_be_bytes());
    packet_between(source, destination, 6, &segment)
}

fn mss(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[62], packet[63]])
}

#[test]
fn a_probe_is_answered_by_as_many_bytes_that_must_arrive_whole() {
    let mut rig = Rig::ready();
    for len in [0, 1280, 1440, 1500] {
        let probe = rig.peer.long_control(5, Message::Probe { mtu: 0 }, len);
        rig.lent.datagrams();
        rig.datagram(home(), &probe);
        let spans = rig.lent.outputs().to_network.spans().to_vec();
        assert!(matches!(&spans[..], [span] if !span.may_be_fragmented && span.len >= len + 32));
        assert!(len == 0 || spans[0].len == len + 32);
        assert_eq!(rig.answer(), Envelope { request_id: 5, message: Message::ProbeReply });
    }
}

#[test]
fn what_the_path_does_not_carry_is_refused_in_the_clients_name_and_reported() {
    let mut rig = probed(1394);
    assert_eq!(rig.server.status(rig.now)[0].mtu, Some(1394));
    rig.packet(&long(1394));
    let spans = rig.lent.outputs().to_network.spans().to_vec();
    assert!(matches!(&spans[..], [span] if !span.may_be_fragmented));
    rig.lent.datagrams();
    rig.packet(&long(1395));
    assert!(rig.lent.datagrams().is_empty());
    let [answer] = &rig.lent.packets()[..] else { panic!("not one answer") };
    let answer = Ipv6Packet::parse(answer).unwrap();
    assert_eq!((answer.source(), answer.destination()), (lease(), site()));
    assert_eq!(answer.upper_layer()[4..8], 1394u32.to_be_bytes());
    assert_eq!(rig.dropped(DropReason::PacketTooBig), 1);
}

#[test]
fn a_client_that_has_measured_nothing_is_sent_all_that_our_link_carries() {
    for mtu in [0, 1279] {
        let mut rig = probed(mtu);
        assert_eq!(rig.server.status(rig.now)[0].mtu, None);
        rig.packet(&long(1440));
        let spans = rig.lent.outputs().to_network.spans().to_vec();
        assert!(matches!(&spans[..], [span] if span.may_be_fragmented));
    }
}

#[test]
fn a_client_whose_path_carries_more_than_our_link_is_sent_what_our_link_carries() {
    assert_eq!(probed(1500).server.status(start())[0].mtu, Some(1440));
}

#[test]
fn syns_both_ways_ask_for_no_more_than_the_path_carries() {
    for (mtu, most) in [(1394, 1334), (0, 1380)] {
        let mut rig = probed(mtu);
        rig.packet(&syn(site(), lease(), 1440));
        let [(_, datagram)] = &rig.lent.datagrams()[..] else { panic!("not one datagram") };
        assert_eq!(mss(&rig.peer.open(datagram).unwrap()), most);
        rig.data(home(), &syn(lease(), site(), 1440));
        assert_eq!(mss(&rig.lent.packets()[0]), most);
    }
}

#[test]
fn a_client_that_is_sent_long_packets_is_asked_now_and_then_whether_they_arrive() {
    let mut rig = probed(1394);
    let wishes = |rig: &mut Rig| {
        let datagrams = rig.lent.datagrams();
        datagrams
            .iter()
            .filter(|(_, bytes)| bytes.len() < 200)
            .filter(|(_, bytes)| {
                rig.peer.try_open_control(bytes).is_ok_and(|said| said.message == Message::ProbeWanted)
            })
            .count()
    };
    rig.packet(&long(1394));
    rig.now += CONFIRM_AFTER;
    rig.packet(&long(1280));
    assert_eq!(wishes(&mut rig), 0, "neither so soon nor for short ones");
    for _ in 0..100 {
        rig.packet(&long(1394));
    }
    assert_eq!(wishes(&mut rig), 1);
    rig.control(6, Message::Probe { mtu: 1394 });
    rig.now += CONFIRM_AFTER - Duration::from_millis(1);
    rig.packet(&long(1394));
    assert_eq!(wishes(&mut rig), 0, "the client has asked for itself");
}

#[test]
fn the_path_is_forgotten_with_the_clients_stay() {
    let mut rig = probed(1394);
    rig.control(6, Message::Bye { pause: None });
    assert_eq!(rig.server.status(rig.now)[0].mtu, None);
}
