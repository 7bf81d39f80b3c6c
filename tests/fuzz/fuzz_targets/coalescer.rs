//! Whatever packets come in one batch: taken apart again, they are the same packets, those of each pair of addresses in
//! the same order.

#![no_main]

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use v6tun_host::offload::{Coalescer, Head, Joins, Segments, VIRTIO_LEN, VirtioHeader};

/// A packet that may well be joined to the one before, or any bytes.
#[derive(Arbitrary, Debug)]
enum Packet {
    Tcp { flow: bool, flags: u8, follows: bool, len: u8, spoilt: bool },
    Udp { flow: bool, len: u8, spoilt: bool },
    Bytes(Vec<u8>),
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Unstructured::new(bytes);
    let Ok(description) = Vec::<Packet>::arbitrary(&mut input) else { return };
    let mut sequences = [0; 2];
    let packets: Vec<Vec<u8>> = description
        .iter()
        .take(200)
        .map(|packet| build(packet, &mut sequences))
        .filter(|packet| !packet.is_empty())
        .collect();
    let mut apart: Vec<Vec<u8>> = Vec::new();
    let mut coalescer = Coalescer::new(Joins::TcpAndUdp);
    let mut sink = |packet: &v6tun_host::offload::SuperPacket<'_>| {
        let mut head = Head::default();
        let written: Vec<u8> = packet.to_slices(&mut head).iter().flat_map(|slice| slice.to_vec()).collect();
        let (header, bytes) = written.split_first_chunk::<VIRTIO_LEN>().unwrap();
        let header = VirtioHeader::parse(header).unwrap();
        let mut bytes = bytes.to_vec();
        let mut segments = Segments::new(header, &mut bytes).unwrap();
        let (mut room, mut count) = (vec![0; 70_000], 0);
        while let Some(segment) = segments.next(&mut room) {
            apart.push(segment.unwrap().to_vec());
            count += 1;
        }
        assert_eq!(count, packet.packets());
    };
    for packet in &packets {
        coalescer.push(packet, &mut sink);
    }
    coalescer.finish(&mut sink);
    assert_eq!(by_addresses(&packets), by_addresses(&apart));
});

/// What must stay in order: at the least all packets with ports of one flow.
fn by_addresses(packets: &[Vec<u8>]) -> BTreeMap<Vec<u8>, Vec<&Vec<u8>>> {
    let mut flows: BTreeMap<Vec<u8>, Vec<&Vec<u8>>> = BTreeMap::new();
    for packet in packets {
        let mut key = packet.get(8..40).unwrap_or(packet).to_vec();
        key.extend(packet.get(6));
        key.extend(packet.get(40..44).unwrap_or_default());
        flows.entry(key).or_default().push(packet);
    }
    flows
}

fn build(packet: &Packet, sequences: &mut [u32; 2]) -> Vec<u8> {
    let (protocol, flow, transport, len, spoilt) = match packet {
        Packet::Bytes(bytes) => return bytes.clone(),
        Packet::Tcp { flow, flags, follows, len, spoilt } => {
            let sequence = &mut sequences[usize::from(*flow)];
            let mut tcp = vec![1, 1, 2, 2];
            tcp.extend(sequence.to_be_bytes());
            tcp.extend([0, 0, 0, 1, 0x50, *flags, 3, 3, 0, 0, 0, 0]);
            if *follows {
                *sequence = sequence.wrapping_add(u32::from(*len));
            }
            (6, flow, tcp, len, spoilt)
        }
        Packet::Udp { flow, len, spoilt } => {
            let udp = vec![1, 1, 2, 2, 0, 8 + (*len).min(247), 0, 0];
            (17, flow, udp, len, spoilt)
        }
    };
    let payload = if protocol == 17 { (*len).min(247) } else { *len };
    let total = u16::try_from(transport.len()).unwrap() + u16::from(payload);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([protocol, 64]);
    for last in [1, 2 + u8::from(*flow)] {
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(transport);
    packet.resize(packet.len() + usize::from(payload), 0x5a);
    let place = if protocol == 17 { 46 } else { 56 };
    let sum = checksum(&packet, protocol).wrapping_add(u16::from(*spoilt));
    packet[place..place + 2].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn checksum(packet: &[u8], protocol: u8) -> u16 {
    let mut sum = u32::from(protocol) + u32::try_from(packet.len() - 40).unwrap();
    for pair in packet[8..].chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match (!(sum as u16), protocol) {
        (0, 17) => 0xffff,
        (sum, _) => sum,
    }
}
