//! Virtual time; a packet is named by its flow (the source port) and its number (the last bytes).

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::offload::{Gso, GsoProtocol};

const NAME_LEN: usize = 4;

/// A UDP packet of `len` bytes.
fn packet(flow: u16, number: u32, len: usize) -> Vec<u8> {
    let mut packet = vec![0; len];
    packet[0] = 0x60;
    packet[6] = 17;
    packet[40..42].copy_from_slice(&flow.to_be_bytes());
    packet[len - NAME_LEN..].copy_from_slice(&number.to_be_bytes());
    packet
}

fn push(queue: &mut FairQueue, packet: &[u8], now: Instant) -> u64 {
    push_as(queue, VirtioHeader::PLAIN, packet, now)
}

fn push_as(queue: &mut FairQueue, header: VirtioHeader, packet: &[u8], now: Instant) -> u64 {
    queue.room()[10..10 + packet.len()].copy_from_slice(packet);
    queue.push(header, 10..10 + packet.len(), now)
}

/// Flow and number of the next packet.
fn pop(queue: &mut FairQueue, now: Instant) -> Option<(u16, u32)> {
    queue.pop(now).map(|served| name(served.packet))
}

fn name(packet: &[u8]) -> (u16, u32) {
    let number = packet.last_chunk::<NAME_LEN>().unwrap();
    (u16::from_be_bytes([packet[40], packet[41]]), u32::from_be_bytes(*number))
}

/// A TCP super-packet of 60 segments.
fn super_packet_header() -> VirtioHeader {
    let gso = Gso { protocol: GsoProtocol::Tcp, size: 1000, header_len: 60 };
    VirtioHeader { checksum: None, gso: Some(gso) }
}

#[test]
fn who_sends_little_goes_before_who_sends_much() {
    let (mut queue, now) = (FairQueue::new(), Instant::now());
    for number in 0..20 {
        assert_eq!(push(&mut queue, &packet(1, number, 60_000), now), 0);
    }
    assert_eq!(pop(&mut queue, now), Some((1, 0)));
    push(&mut queue, &packet(2, 0, 100), now);
    assert_eq!(pop(&mut queue, now), Some((2, 0)), "one long packet later at the most");
    assert_eq!(pop(&mut queue, now), Some((1, 1)));
}

#[test]
fn those_who_send_much_share_by_bytes_and_not_by_packets() {
    let (mut queue, now) = (FairQueue::new(), Instant::now());
    for number in 0..15 {
        push(&mut queue, &packet(1, number, 60_000), now);
    }
    for number in 0..400 {
        push(&mut queue, &packet(2, number, 1500), now);
    }
    let mut bytes = [0_usize; 3];
    for _ in 0..120 {
        let served = queue.pop(now).unwrap();
        bytes[usize::from(name(served.packet).0)] += served.packet.len();
    }
    assert!(bytes[1].abs_diff(bytes[2]) <= 64_096, "{bytes:?}");
}

#[test]
fn a_flow_that_comes_anew_again_and_again_does_not_starve_one_that_waits() {
    let (mut queue, now) = (FairQueue::new(), Instant::now());
    push(&mut queue, &packet(1, 0, 60_000), now);
    push(&mut queue, &packet(1, 1, 60_000), now);
    let mut served = 0;
    for number in 0..200 {
        push(&mut queue, &packet(2, number, 1000), now);
        served += usize::from(pop(&mut queue, now).unwrap().0 == 1);
    }
    assert_eq!(served, 2);
}

#[test]
fn beyond_the_bounds_the_longest_queue_loses_its_oldest() {
    let (mut queue, now) = (FairQueue::new(), Instant::now());
    push(&mut queue, &packet(2, 7, 100), now);
    for number in 0..QUEUE_PACKETS as u32 - 1 {
        assert_eq!(push(&mut queue, &packet(1, number, 100), now), 0);
    }
    assert_eq!(push(&mut queue, &packet(1, 1000, 100), now), 1);
    assert_eq!(pop(&mut queue, now), Some((2, 7)));
    assert_eq!(pop(&mut queue, now), Some((1, 1)), "0 is lost");
}

#[test]
fn of_super_packets_less_are_kept_and_each_segment_is_counted() {
    let (mut queue, now) = (FairQueue::new(), Instant::now());
    for number in 0..QUEUE_LONG as u32 {
        assert_eq!(push_as(&mut queue, super_packet_header(), &packet(1, number, 60_060), now), 0);
    }
    assert_eq!(push_as(&mut queue, super_packet_header(), &packet(1, 99, 60_060), now), 60);
    assert_eq!(push(&mut queue, &packet(2, 0, 100), now), 0, "a short one has a place");
    assert_eq!(pop(&mut queue, now), Some((1, 1)));
}

/// Fills a flow's queue to 30 packets of `len` bytes and serves it for `seconds` at one packet in 2 ms. Returns what was
/// told to slow down, how, second by second.
fn overload(packets: impl Fn(u32) -> Vec<u8>, seconds: u64) -> Vec<(usize, usize)> {
    let (mut queue, start) = (FairQueue::new(), Instant::now());
    let mut number = 0;
    let mut told = Vec::new();
    for second in 0..seconds {
        let (mut lost, mut marked) = (0, 0);
        for step in 0..500 {
            let now = start + Duration::from_millis(second * 1000 + step * 2);
            while number < (second * 500 + step) as u32 + 30 {
                push_as(&mut queue, super_packet_header(), &packets(number), now);
                number += 1;
            }
            let served = queue.pop(now).unwrap();
            lost += usize::from(served.loses_one);
            marked += usize::from(served.packet[1] & 0x30 == 0x30);
        }
        told.push((lost, marked));
    }
    told
}

#[test]
fn the_sender_of_a_queue_that_stands_loses_single_packets_ever_more_often() {
    let told = overload(|number| packet(1, number, 60_060), 4);
    assert!(told.iter().all(|(_, marked)| *marked == 0), "it knows no marks");
    let lost: Vec<usize> = told.iter().map(|(lost, _)| *lost).collect();
    // The pause shrinks with the root of the count: after a time t, (t / 200 ms)² are lost.
    assert!(lost.is_sorted(), "{lost:?}");
    assert!(lost[0].abs_diff(25) <= 5 && lost.iter().sum::<usize>().abs_diff(400) <= 20, "{lost:?}");
}

#[test]
fn a_sender_that_knows_marks_gets_marks_and_loses_nothing() {
    let knows_marks = |number| {
        let mut packet = packet(1, number, 60_060);
        packet[1] = 0x20;
        packet
    };
    let told = overload(knows_marks, 2);
    assert!(told.iter().all(|(lost, marked)| *lost == 0 && *marked >= 5), "{told:?}");
}

#[test]
fn a_queue_that_drains_in_time_tells_nobody_anything() {
    let (mut queue, start) = (FairQueue::new(), Instant::now());
    for round in 0..5000_u32 {
        let now = start + Duration::from_millis(2) * round;
        for number in 0..3 {
            push(&mut queue, &packet(1, number, 1000), now);
        }
        for _ in 0..3 {
            assert!(!queue.pop(now + Duration::from_millis(1)).unwrap().loses_one);
        }
        assert!(queue.is_empty());
    }
}

#[test]
fn flows_with_one_port_and_several_protocols_are_told_apart_and_fragments_stay_together() {
    let hasher = FlowHasher::default();
    let mut fragment = packet(1, 0, 100);
    fragment[6] = 44;
    let mut other = fragment.clone();
    other[40..44].fill(9);
    assert_eq!(hasher.place(&fragment), hasher.place(&other), "what follows is no port");
    assert_eq!(hasher.place(&[]), hasher.place(&[]));
}

#[derive(Clone, Debug)]
enum Step {
    Push { flow: u16, len: usize },
    Pop,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![48..200_usize, 1000..1500_usize, 2000..65_000_usize];
    let push = (0..6_u16, len).prop_map(|(flow, len)| Step::Push { flow, len });
    prop_oneof![3 => push, 2 => Just(Step::Pop)]
}

proptest! {
    #[test]
    fn nothing_is_reordered_within_a_flow_and_nothing_is_lost_uncounted(
        steps in prop::collection::vec(step(), 0..1500),
    ) {
        let (mut queue, mut now) = (FairQueue::new(), Instant::now());
        let (mut pushed, mut popped, mut dropped) = (0_u32, 0_u64, 0_u64);
        let mut last = [None; 6];
        let mut look = |served: &Served<'_>| {
            let (flow, number) = name(served.packet);
            let before = last[usize::from(flow)].replace(number);
            before.is_none_or(|before| before < number)
        };
        for step in steps {
            now += Duration::from_micros(300);
            match step {
                Step::Push { flow, len } => {
                    dropped += push(&mut queue, &packet(flow, pushed, len), now);
                    pushed += 1;
                }
                Step::Pop => if let Some(served) = queue.pop(now) {
                    popped += 1;
                    prop_assert!(look(&served));
                },
            }
        }
        while let Some(served) = queue.pop(now) {
            popped += 1;
            prop_assert!(look(&served));
        }
        prop_assert!(queue.is_empty());
        prop_assert_eq!(u64::from(pushed), popped + dropped);
    }
}
