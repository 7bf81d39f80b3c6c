//! Taking apart what was put together gives back what there was.

use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::{
    checksum::{Sum, pseudo_header},
    *,
};

/// A packet as some program might have sent it.
#[derive(Clone, Debug)]
struct Packet {
    flow: u8,
    transport: Transport,
    traffic_class: u8,
    hop_limit: u8,
    payload: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Transport {
    Tcp { sequence: u32, flags: u8, window: u16, options: u8 },
    Udp,
    Icmp,
}

fn address(number: u8) -> [u8; 16] {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()).octets()
}

impl Packet {
    fn bytes(&self) -> Vec<u8> {
        let (protocol, mut transport) = self.transport_header();
        let checksum = match protocol {
            TCP => 16,
            UDP => 6,
            _ => 2,
        };
        transport.extend(&self.payload);
        let len = u16::try_from(transport.len()).unwrap();
        if protocol == UDP {
            transport[4..6].copy_from_slice(&len.to_be_bytes());
        }
        let mut packet = vec![0x60 | self.traffic_class >> 4, self.traffic_class << 4, 0, self.flow];
        packet.extend(len.to_be_bytes());
        packet.extend([protocol, self.hop_limit]);
        packet.extend(address(1));
        packet.extend(address(2));
        let ipv6: &[u8; IPV6_LEN] = packet.first_chunk().unwrap();
        let sum = pseudo_header(ipv6, protocol).add_u16(len).add(&transport).checksum();
        let sum = if protocol == UDP && sum == [0, 0] { [0xff, 0xff] } else { sum };
        transport[checksum..checksum + 2].copy_from_slice(&sum);
        packet.extend(transport);
        packet
    }

    fn transport_header(&self) -> (u8, Vec<u8>) {
        let port = 1000 + u16::from(self.flow);
        let mut header = port.to_be_bytes().to_vec();
        header.extend(443_u16.to_be_bytes());
        match self.transport {
            Transport::Tcp { sequence, flags, window, options } => {
                header.extend(sequence.to_be_bytes());
                header.extend(77_u32.to_be_bytes());
                header.extend([(5 + options) << 4, flags]);
                header.extend(window.to_be_bytes());
                header.extend([0; 4]);
                header.extend(vec![1; usize::from(options) * 4]);
                (TCP, header)
            }
            Transport::Udp => {
                header.extend([0; 4]);
                (UDP, header)
            }
            Transport::Icmp => (58, vec![128, 0, 0, 0, 0, self.flow, 0, 1]),
        }
    }
}

/// Batches in which much can be joined, and much stands in the way of it.
fn batch() -> impl Strategy<Value = Vec<Packet>> {
    let step = (0..4_u8, 0..100_u8, any::<u8>(), prop::sample::select(vec![1_usize, 7, 8, 1000, 1380]));
    prop::collection::vec(step, 1..200).prop_map(|steps| {
        let mut sequences = [100_u32, u32::MAX - 5000, 7, 0];
        steps.into_iter().map(|step| packet(step, &mut sequences)).collect()
    })
}

/// Mostly the next segment of full size of one of four flows.
fn packet((flow, chance, odd, size): (u8, u8, u8, usize), sequences: &mut [u32; 4]) -> Packet {
    let size = if chance < 80 { 1000 } else { size };
    let payload: Vec<u8> = (0..size).map(|at| at as u8 ^ odd).collect();
    let mut packet = Packet { flow, transport: Transport::Udp, traffic_class: 0, hop_limit: 64, payload };
    if flow < 3 {
        let sequence = &mut sequences[usize::from(flow)];
        let mut flags = ACK;
        let (mut window, mut options) = (500, 3);
        match chance {
            80 => flags |= PSH,
            81 => flags |= FIN,
            82 => flags |= CWR,
            83 => flags |= 0x20,
            84 => flags = 0x02,
            85 => flags |= 0x40,
            86 => window = u16::from(odd),
            87 => options = odd % 11,
            88 => *sequence = sequence.wrapping_add(1),
            89 => packet.payload.clear(),
            _ => {}
        }
        packet.transport = Transport::Tcp { sequence: *sequence, flags, window, options };
        *sequence = sequence.wrapping_add(packet.payload.len() as u32);
    }
    match chance {
        90 => packet.traffic_class = odd,
        91 => packet.hop_limit = odd,
        92 => packet.transport = Transport::Icmp,
        _ => {}
    }
    packet
}

/// The super-packets that a batch becomes, as they are written, and how many packets each is.
fn coalesce(packets: &[Vec<u8>]) -> Vec<(Vec<u8>, usize)> {
    let mut written = Vec::new();
    let mut sink = |packet: &SuperPacket<'_>| {
        let mut head = Head::default();
        let slices = packet.to_slices(&mut head);
        written.push((slices.iter().flat_map(|slice| slice.to_vec()).collect(), packet.packets()));
    };
    let mut coalescer = Coalescer::new(Joins::TcpAndUdp);
    for packet in packets {
        coalescer.push(packet, &mut sink);
    }
    coalescer.finish(&mut sink);
    written
}

fn segment(written: &[u8]) -> Vec<Vec<u8>> {
    let (header, packet) = written.split_first_chunk().unwrap();
    let mut packet = packet.to_vec();
    let mut segments = Segments::new(VirtioHeader::parse(header).unwrap(), &mut packet).unwrap();
    let mut out = vec![0; 70_000];
    let mut packets = Vec::new();
    while let Some(packet) = segments.next(&mut out) {
        packets.push(packet.unwrap().to_vec());
    }
    packets
}

/// What stands in order in a batch: the packets of one flow label.
fn flow_of(packets: &[Vec<u8>], flow: u8) -> Vec<&Vec<u8>> {
    packets.iter().filter(|packet| packet[3] == flow).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_put_together_comes_apart_as_it_was_and_in_the_order_of_each_flow(batch in batch()) {
        let before: Vec<Vec<u8>> = batch.iter().map(Packet::bytes).collect();
        let written = coalesce(&before);
        let after: Vec<Vec<u8>> = written.iter().flat_map(|(bytes, count)| {
            let packets = segment(bytes);
            assert_eq!(packets.len(), *count);
            packets
        }).collect();
        prop_assert_eq!(before.len(), after.len());
        for flow in 0..4 {
            prop_assert_eq!(flow_of(&before, flow), flow_of(&after, flow));
        }
    }

    #[test]
    fn a_super_packet_as_one_packet_has_all_payloads_and_a_right_checksum(batch in batch()) {
        let before: Vec<Vec<u8>> = batch.iter().map(Packet::bytes).collect();
        let mut coalescer = Coalescer::new(Joins::Tcp);
        let mut after = Vec::new();
        let mut sink = |packet: &SuperPacket<'_>| {
            let mut room = vec![0; packet.len()];
            packet.copy_to(&mut room);
            after.push((packet.packets(), room));
        };
        before.iter().for_each(|packet| coalescer.push(packet, &mut sink));
        coalescer.finish(&mut sink);
        prop_assert_eq!(after.iter().map(|(count, _)| count).sum::<usize>(), before.len());
        for (count, packet) in &after {
            let ipv6: &[u8; IPV6_LEN] = packet.first_chunk().unwrap();
            let len = u16::from_be_bytes([ipv6[4], ipv6[5]]);
            prop_assert_eq!(usize::from(len) + IPV6_LEN, packet.len());
            let sum = pseudo_header(ipv6, ipv6[6]).add_u16(len).add(&packet[IPV6_LEN..]);
            prop_assert!(*count == 1 || (ipv6[6] == TCP && sum.is_right()));
        }
    }

    #[test]
    fn bytes_that_are_no_packets_pass_as_they_are(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 1..20)) {
        let written = coalesce(&packets);
        for ((bytes, count), packet) in written.iter().zip(&packets) {
            prop_assert_eq!(*count, 1);
            prop_assert_eq!(&bytes[VIRTIO_LEN..], &packet[..]);
        }
    }

    #[test]
    fn no_header_of_the_kernels_makes_more_of_a_packet_than_there_is(
        header in any::<[u8; VIRTIO_LEN]>(),
        kind in prop::sample::select(vec![0_u8, 4, 5, 0x84]),
        start in 0..200_u16,
        packet in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let mut header = header;
        header[1] = kind;
        header[6..8].copy_from_slice(&start.to_ne_bytes());
        let mut packet = packet;
        if let Some(first) = packet.first_mut() {
            *first = 0x60;
        }
        let len = packet.len();
        let Some(header) = VirtioHeader::parse(&header) else { return Ok(()) };
        let Ok(mut segments) = Segments::new(header, &mut packet) else { return Ok(()) };
        let (mut out, mut count) = ([0; 2048], 0);
        while segments.next(&mut out).is_some() {
            count += 1;
        }
        prop_assert!(count <= len.max(1), "{} packets of {} bytes", count, len);
    }
}

fn tcp(sequence: u32, flags: u8, len: usize) -> Packet {
    let transport = Transport::Tcp { sequence, flags, window: 500, options: 3 };
    Packet { flow: 1, transport, traffic_class: 0, hop_limit: 64, payload: vec![0x5a; len] }
}

fn counts(packets: &[Packet]) -> Vec<usize> {
    let packets: Vec<Vec<u8>> = packets.iter().map(Packet::bytes).collect();
    coalesce(&packets).iter().map(|(_, count)| *count).collect()
}

#[test]
fn segments_of_one_stream_become_one_until_a_short_one_or_a_push() {
    let stream: Vec<Packet> = (0..10).map(|number| tcp(number * 1000, ACK, 1000)).collect();
    assert_eq!(counts(&stream), [10]);
    let mut short = stream.clone();
    short[4] = tcp(4000, ACK, 1000);
    short[3].payload.truncate(999);
    assert_eq!(counts(&short)[0], 4, "the short one is the last");
    let mut pushed = stream.clone();
    pushed[2] = tcp(2000, ACK | PSH, 1000);
    assert_eq!(counts(&pushed), [3, 7]);
}

#[test]
fn two_streams_in_turn_become_one_super_packet_each() {
    let mut packets = Vec::new();
    for number in 0..10 {
        packets.push(tcp(number * 1000, ACK, 1000));
        packets.push(Packet { flow: 2, ..tcp(number * 1000, ACK, 1000) });
    }
    assert_eq!(counts(&packets), [10, 10]);
}

#[test]
fn a_wrong_checksum_is_handed_on_as_it_is_and_never_made_right() {
    let mut packets: Vec<Vec<u8>> = (0..3).map(|number| tcp(number * 1000, ACK, 1000).bytes()).collect();
    packets[1][500] ^= 1;
    let written = coalesce(&packets);
    assert_eq!(written.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(written[1].0[VIRTIO_LEN..], packets[1][..]);
}

#[test]
fn a_super_packet_is_never_longer_than_its_length_can_say_nor_of_more_than_64_packets() {
    let stream: Vec<Packet> = (0..200).map(|number| tcp(number * 1380, ACK, 1380)).collect();
    let packets: Vec<Vec<u8>> = stream.iter().map(Packet::bytes).collect();
    let written = coalesce(&packets);
    assert!(written.iter().all(|(bytes, _)| bytes.len() <= VIRTIO_LEN + 65_535));
    let small: Vec<Packet> = (0..200).map(|number| tcp(number * 10, ACK, 10)).collect();
    assert_eq!(counts(&small), [64, 64, 64, 8]);
}

#[test]
fn a_checksum_that_the_kernel_left_is_completed() {
    let packet = Packet { transport: Transport::Udp, ..tcp(0, 0, 100) }.bytes();
    let mut partial = packet.clone();
    let ipv6: &[u8; IPV6_LEN] = packet.first_chunk().unwrap();
    let sum = pseudo_header(ipv6, UDP).add_u16(108).folded();
    partial[46..48].copy_from_slice(&sum);
    let mut written = [1, 0, 0, 0, 0, 0, 40, 0, 6, 0].to_vec();
    written.extend(&partial);
    assert_eq!(segment(&written), [packet]);
}

#[test]
fn only_the_last_piece_pushes_and_ends_and_only_the_first_says_that_the_window_was_reduced() {
    let whole = tcp(0, ACK | PSH | FIN | CWR, 2500).bytes();
    let headers = 72_u16;
    let mut written = [1, 4, 0, 0, 0, 0, 40, 0, 16, 0].to_vec();
    written[2..4].copy_from_slice(&headers.to_ne_bytes());
    written[4..6].copy_from_slice(&1000_u16.to_ne_bytes());
    written.extend(&whole);
    let flags: Vec<u8> = segment(&written).iter().map(|packet| packet[IPV6_LEN + TCP_FLAGS]).collect();
    assert_eq!(flags, [ACK | CWR, ACK, ACK | PSH | FIN]);
    for packet in segment(&written) {
        let (ipv6, transport) = packet.split_first_chunk::<IPV6_LEN>().unwrap();
        let len = u16::from_be_bytes([ipv6[4], ipv6[5]]);
        assert_eq!(usize::from(len), transport.len());
        assert!(pseudo_header(ipv6, TCP).add_u16(len).add(transport).is_right());
    }
    assert_ne!(Sum::default().add(&[1]), Sum::default());
}
