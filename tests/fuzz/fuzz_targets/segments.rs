//! A tun hands over any virtio header in front of any bytes: nothing panics, and what comes out is never more than what
//! went in, nor without end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use v6tun_host::limits::TUN_PACKET_LEN;
use v6tun_host::offload::{Segments, VIRTIO_LEN, VirtioHeader};

fuzz_target!(|read: &[u8]| {
    let Some((header, packet)) = read.split_first_chunk::<VIRTIO_LEN>() else { return };
    let Some(header) = VirtioHeader::parse(header) else { return };
    assert_eq!(VirtioHeader::parse(&header.to_bytes()), Some(header));
    let mut packet = packet.to_vec();
    let len = packet.len();
    assert!(header.packets(len) >= 1);
    let Ok(mut segments) = Segments::new(header, &mut packet) else { return };
    let (mut room, mut count, mut payload) = ([0; TUN_PACKET_LEN], 0, 0);
    let headers = header.gso.map_or(0, |_| 40);
    while let Some(segment) = segments.next(&mut room) {
        count += 1;
        payload += segment.map_or(0, |segment| segment.len().saturating_sub(headers));
        assert!(count <= len.max(1), "more packets than bytes");
    }
    assert!(count >= 1, "nothing came out");
    if header.gso.is_none() {
        assert!(payload <= len);
    }
});
