//! What the core costs for each packet: encrypting, decrypting, filtering, and finding the peer among many.

#![expect(missing_docs, reason = "criterion's macros make public functions")]
#![expect(clippy::arithmetic_side_effects, reason = "a measurement")]

use std::hint::black_box;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use v6tun_proto::packet::Ipv6Packet;

#[path = "../tests/pair/mod.rs"]
mod pair;

use pair::{Pair, packet};

const SITE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x80);
/// No client has it.
const NOBODYS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 1);
/// The longest packet and an acknowledgement.
const SIZES: [usize; 2] = [1440, 72];
/// Packets that are sent before they are taken.
const BATCH: u64 = 64;

/// The client takes packets from the tun: it checks and encrypts them.
fn encrypt(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encrypt");
    let mut pair = Pair::new(1);
    for size in SIZES {
        let packet = packet(pair.lease, SITE, size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                pair.client.handle_packet(&packet, &mut pair.from_client.outputs(), pair.now);
                pair.from_client.clear();
            });
        });
    }
    group.finish();
}

/// The server takes datagrams from the network: it finds the session, decrypts and filters.
fn decrypt(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decrypt");
    let mut pair = Pair::new(1);
    for size in SIZES {
        let packet = packet(pair.lease, SITE, size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_custom(|count| {
                let mut spent = Duration::ZERO;
                let mut left = count;
                while left > 0 {
                    let batch = left.min(BATCH);
                    for _ in 0..batch {
                        pair.client.handle_packet(&packet, &mut pair.from_client.outputs(), pair.now);
                    }
                    #[expect(clippy::disallowed_methods, reason = "a measurement")]
                    let start = Instant::now();
                    pair.carry_to_server();
                    spent += start.elapsed();
                    assert_eq!(pair.from_server.to_tun.len() as u64, batch);
                    pair.from_server.clear();
                    left -= batch;
                }
                spent
            });
        });
    }
    group.finish();
}

/// The structure of a packet is checked.
fn parse(criterion: &mut Criterion) {
    let packet = packet(SITE, NOBODYS, 1440);
    criterion
        .bench_function("parse", |bencher| bencher.iter(|| Ipv6Packet::parse(black_box(&packet)).is_ok()));
}

/// The server takes a packet for which it has no client: checks and a look-up, and nothing else.
fn look_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look-up");
    for clients in [1, 1_000, 100_000] {
        let mut pair = Pair::new(clients);
        let packet = packet(SITE, NOBODYS, 72);
        group.bench_function(BenchmarkId::new("nobody", clients), |bencher| {
            bencher.iter(|| pair.server.handle_packet(&packet, &mut pair.from_server.outputs(), pair.now));
        });
        let packet = self::packet(SITE, pair.lease, 72);
        group.bench_function(BenchmarkId::new("encrypted", clients), |bencher| {
            bencher.iter(|| {
                pair.server.handle_packet(&packet, &mut pair.from_server.outputs(), pair.now);
                pair.from_server.clear();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encrypt, decrypt, parse, look_up);
criterion_main!(benches);
