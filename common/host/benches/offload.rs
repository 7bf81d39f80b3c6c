//! What it costs to take super-packets apart, to put them together, and to sort them by flows.

#![expect(missing_docs, reason = "criterion's macros make public functions")]
#![expect(clippy::unwrap_used, reason = "a measurement")]

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use v6tun_host::fair_queue::FairQueue;
use v6tun_host::limits::TUN_PACKET_LEN;
use v6tun_host::offload::{ChecksumPlace, Coalescer, Gso, GsoProtocol, Joins, Segments, VirtioHeader};

/// Bytes of payload in a segment, as on a tun of 1440 bytes with TCP's time stamps.
const SEGMENT: usize = 1368;
/// IPv6, TCP, time stamps.
const HEADERS: usize = 40 + 20 + 12;
const SEGMENTS: usize = 46;

/// A TCP super-packet of the greatest length, as the kernel hands it over.
fn super_packet() -> (VirtioHeader, Vec<u8>) {
    let len = HEADERS + SEGMENT * SEGMENTS;
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(len - 40).unwrap().to_be_bytes());
    packet.extend([6, 64]);
    for last in [1_u8, 2] {
        packet.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend([0x13, 0x88, 0x9c, 0x40, 0, 0, 0, 1, 0, 0, 0, 1, 0x80, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet.extend((0..len - HEADERS).map(|at| at as u8));
    let gso = Gso { protocol: GsoProtocol::Tcp, size: SEGMENT as u16, header_len: HEADERS as u16 };
    let header = VirtioHeader { checksum: Some(ChecksumPlace { start: 40, offset: 16 }), gso: Some(gso) };
    (header, packet)
}

fn segments(header: VirtioHeader, packet: &mut [u8]) -> Vec<Vec<u8>> {
    let mut segments = Segments::new(header, packet).unwrap();
    let (mut room, mut all) = ([0; TUN_PACKET_LEN], Vec::new());
    while let Some(segment) = segments.next(&mut room) {
        all.push(segment.unwrap().to_vec());
    }
    all
}

fn split(criterion: &mut Criterion) {
    let (header, mut packet) = super_packet();
    let mut room = [0; TUN_PACKET_LEN];
    let mut group = criterion.benchmark_group("split");
    group.throughput(Throughput::Elements(SEGMENTS as u64));
    group.bench_function("tcp of 46", |bencher| {
        bencher.iter(|| {
            let mut segments = Segments::new(header, &mut packet).unwrap();
            while let Some(segment) = segments.next(&mut room) {
                black_box(segment.unwrap());
            }
        });
    });
    group.finish();
}

fn coalesce(criterion: &mut Criterion) {
    let (header, mut packet) = super_packet();
    let packets = segments(header, &mut packet);
    let mut group = criterion.benchmark_group("coalesce");
    group.throughput(Throughput::Elements(SEGMENTS as u64));
    group.bench_function("tcp of 46", |bencher| {
        bencher.iter(|| {
            let mut coalescer = Coalescer::new(Joins::TcpAndUdp);
            let mut sink = |packet: &_| {
                black_box(packet);
            };
            for packet in &packets {
                coalescer.push(packet, &mut sink);
            }
            coalescer.finish(&mut sink);
        });
    });
    group.finish();
}

fn queue(criterion: &mut Criterion) {
    let (header, packet) = super_packet();
    let now = Instant::now();
    let mut group = criterion.benchmark_group("queue");
    let mut bench = |name: &str, header: VirtioHeader, packet: &[u8]| {
        let mut queue = FairQueue::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for _ in 0..8 {
                    queue.room()[..packet.len()].copy_from_slice(packet);
                    queue.push(header, 0..packet.len(), now);
                }
                while let Some(served) = queue.pop(now) {
                    black_box(served);
                }
            });
        });
    };
    bench("8 super-packets, filled anew", header, &packet);
    bench("8 packets", VirtioHeader::PLAIN, &packet[..1440]);
    group.finish();
}

criterion_group!(benches, split, coalesce, queue);
criterion_main!(benches);
