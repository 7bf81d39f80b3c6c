//! In steady state nothing is allocated for a packet: the allocator itself counts. It is the whole way but for the
//! system calls: a super-packet from the tun is sorted, taken apart, encrypted, decrypted, filtered and put together.

// What is counted is the same everywhere.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test")]
#![expect(unsafe_code, reason = "an allocator is unsafe to be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::Ipv6Addr;

use v6tun_host::fair_queue::FairQueue;
use v6tun_host::limits::TUN_PACKET_LEN;
use v6tun_host::offload::{
    ChecksumPlace, Coalescer, Gso, GsoProtocol, Joins, Segments, SuperPacket, VirtioHeader,
};

#[path = "../../proto/tests/pair/mod.rs"]
mod pair;

use pair::Pair;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what each thread asks of it.
struct Counting;

// SAFETY: all is passed on as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SITE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x80);
const SEGMENT: usize = 1368;
const SEGMENTS: usize = 46;
const HEADERS: usize = 60;
/// Super-packets that wait at a time, as under load.
const WAITING: usize = 8;

/// TCP from the lease to the site, its checksum still to be completed.
fn super_packet(lease: Ipv6Addr) -> (VirtioHeader, Vec<u8>) {
    let mut packet = pair::packet(lease, SITE, HEADERS + SEGMENT * SEGMENTS);
    packet[6] = 6;
    packet[40..60]
        .copy_from_slice(&[19, 136, 156, 64, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 16, 255, 255, 0, 0, 0, 0]);
    let gso = Gso { protocol: GsoProtocol::Tcp, size: SEGMENT as u16, header_len: HEADERS as u16 };
    (VirtioHeader { checksum: Some(ChecksumPlace { start: 40, offset: 16 }), gso: Some(gso) }, packet)
}

/// Sends as many super-packets as wait. Returns how many packets arrive, and in how many super-packets.
fn send(pair: &mut Pair, queue: &mut FairQueue, header: VirtioHeader, packet: &[u8]) -> (usize, usize) {
    for _ in 0..WAITING {
        queue.room()[..packet.len()].copy_from_slice(packet);
        queue.push(header, 0..packet.len(), pair.now);
    }
    let (mut room, mut arrived, mut written) = ([0; TUN_PACKET_LEN], 0, 0);
    while let Some(served) = queue.pop(pair.now) {
        let mut segments = Segments::new(served.header, served.packet).unwrap();
        while let Some(segment) = segments.next(&mut room) {
            pair.client.handle_packet(segment.unwrap(), &mut pair.from_client.outputs(), pair.now);
        }
        pair.carry_to_server();
        let mut coalescer = Coalescer::new(Joins::TcpAndUdp);
        let mut sink = |packet: &SuperPacket<'_>| {
            arrived += packet.packets();
            written += 1;
        };
        for packet in pair.from_server.to_tun.iter() {
            coalescer.push(packet, &mut sink);
        }
        coalescer.finish(&mut sink);
        drop(coalescer);
        pair.from_server.clear();
    }
    (arrived, written)
}

#[test]
fn a_packet_in_steady_state_costs_no_allocation() {
    let (mut pair, mut queue) = (Pair::new(3), FairQueue::new());
    let (header, packet) = super_packet(pair.lease);
    let expected = (WAITING * SEGMENTS, WAITING);
    assert_eq!(send(&mut pair, &mut queue, header, &packet), expected, "all arrive, put together again");
    let before = ALLOCATIONS.get();
    for _ in 0..50 {
        assert_eq!(send(&mut pair, &mut queue, header, &packet), expected);
    }
    let count = ALLOCATIONS.get() - before;
    assert_eq!(count, 0, "for {} packets", 50 * WAITING * SEGMENTS);
}

#[test]
fn the_allocator_counts() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(vec![1_u8; 100]));
    assert_eq!(ALLOCATIONS.get() - before, 1);
}
