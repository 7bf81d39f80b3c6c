//! What strangers and enrolled clients may not do.

use super::*;
use crate::limits::MAX_DATAGRAM;
use blake2::digest::{FixedOutput, KeyInit, Update, consts::U16};
use blake2::{Blake2s256, Blake2sMac, Digest};
use proptest::prelude::*;

#[test]
fn a_forged_data_message_that_is_too_long_for_the_engine_costs_nothing() {
    let mut rig = Rig::ready();
    let mut forged = rig.peer.data(&outward("x"));
    for len in [MAX_DATAGRAM + 1, 2080, 4000, 65507] {
        forged.resize(len, 0);
        rig.datagram(cafe(), &forged);
    }
    assert_eq!(rig.dropped(DropReason::DatagramTooLong), 4);
    assert_eq!(rig.dropped(DropReason::SessionPanicked), 0);
    rig.assert_passes("still there");
}

#[test]
fn the_last_counters_never_reach_the_engine() {
    let mut rig = Rig::ready();
    let mut message = rig.peer.data(&outward("x"));
    for counter in [u64::MAX, u64::MAX - (1 << 13)] {
        message[8..16].copy_from_slice(&counter.to_le_bytes());
        rig.datagram(home(), &message);
    }
    assert_eq!(rig.dropped(DropReason::CounterExhausted), 2);
    rig.assert_passes("still there");
}

#[test]
fn a_repeated_or_altered_data_message_is_dropped() {
    let mut rig = Rig::ready();
    let message = rig.peer.data(&outward("once"));
    rig.datagram(home(), &message);
    rig.datagram(home(), &message);
    assert_eq!(rig.lent.packets().len(), 1);
    assert_eq!(rig.dropped(DropReason::Replayed), 1);
    let mut altered = rig.peer.data(&outward("other"));
    altered[20] ^= 1;
    rig.datagram(home(), &altered);
    assert_eq!(rig.dropped(DropReason::NotAuthentic), 1);
    assert!(rig.lent.packets().is_empty());
}

#[test]
fn padding_is_cut_off_and_anything_else_behind_a_packet_is_refused() {
    let mut rig = Rig::ready();
    let mut padded = outward("padded");
    padded.resize(padded.len() + 15, 0);
    rig.data(home(), &padded);
    assert_eq!(rig.lent.packets(), [outward("padded")]);
    padded.push(0);
    rig.data(home(), &padded);
    let mut smuggled = outward("smuggled");
    smuggled.push(1);
    rig.data(home(), &smuggled);
    assert_eq!(rig.dropped(DropReason::LengthMismatch), 2);
    assert!(rig.lent.packets().is_empty());
}

#[test]
fn what_an_enrolled_client_may_not_send_is_counted_and_goes_nowhere() {
    let other = "2001:db8::77".parse().unwrap();
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    let mut ipv4 = vec![0x45, 0, 0, 20];
    ipv4.resize(20, 0);
    let mut cut_off = outward("cut off");
    cut_off.pop();
    let cases = [
        (ipv4, DropReason::NotIpv6),
        (vec![0; 7], DropReason::NotIpv6),
        (vec![0x60; 7], DropReason::PacketMalformed),
        (cut_off, DropReason::PacketMalformed),
        (packet_between(other, site(), 17, b"spoofed"), DropReason::SourceNotLeased),
        (packet_between(lease(), address("ff02::1"), 17, b""), DropReason::AddressMulticast),
        (packet_between(address("fe80::99"), site(), 17, b""), DropReason::AddressLinkLocal),
        (packet_between(lease(), address("fe80::1:1"), 17, b""), DropReason::AddressLinkLocal),
        (packet_between(lease(), address("::1"), 17, b""), DropReason::AddressLoopback),
        (packet_between(lease(), site(), 58, &[134, 0]), DropReason::NeighbourDiscovery),
        (packet_between(lease(), site(), 58, &[143, 0]), DropReason::MulticastListener),
        (packet_between(lease(), site(), 43, &[59, 0, 4, 0, 0, 0, 0, 0]), DropReason::RoutingHeader),
    ];
    let mut rig = Rig::ready();
    for (packet, reason) in cases {
        let before = rig.dropped(reason);
        rig.data(home(), &packet);
        assert_eq!(rig.dropped(reason), before + 1, "{reason}");
        assert!(rig.lent.packets().is_empty() && rig.lent.datagrams().is_empty(), "{reason}");
    }
    rig.assert_passes("still there");
}

#[test]
fn an_unknown_key_meets_silence_and_is_told_of_once() {
    let mut rig = Rig::new();
    let mut stranger = RawPeer::new(&key(99), &key(SERVER).public_key());
    for _ in 0..3 {
        let initiation = stranger.initiation();
        rig.datagram(cafe(), &initiation);
    }
    assert!(rig.lent.datagrams().is_empty());
    assert_eq!(rig.dropped(DropReason::UnknownKey), 3);
    assert_eq!(rig.events(), [ServerEvent::UnknownKey { key: key(99).public_key(), source: cafe() }]);
}

#[test]
fn a_handshake_for_another_server_meets_silence() {
    let mut rig = Rig::new();
    let initiation = RawPeer::new(&key(PC), &key(77).public_key()).initiation();
    rig.datagram(home(), &initiation);
    assert_eq!(rig.dropped(DropReason::HandshakeBadMac), 1);
    assert!(rig.lent.datagrams().is_empty());
}

#[test]
fn messages_of_one_who_does_not_know_our_key_use_up_nobodys_share() {
    let mut rig = Rig::new();
    let garbage = RawPeer::new(&key(PC), &key(77).public_key()).initiation();
    for _ in 0..1000 {
        rig.datagram(home(), &garbage);
    }
    assert_eq!(rig.dropped(DropReason::HandshakeBadMac), 1000);
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    assert_eq!(rig.endpoint(), Some(home()));
}

#[test]
fn one_source_gets_its_share_of_handshakes_and_others_theirs() {
    let mut rig = Rig::new();
    for _ in 0..100 {
        let initiation = rig.peer.initiation();
        rig.datagram(cafe(), &initiation);
    }
    assert_eq!(rig.dropped(DropReason::HandshakeRateLimited), 95);
    rig.lent.datagrams();
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    assert_eq!(rig.endpoint(), Some(home()));
}

fn put_under_load(rig: &mut Rig) {
    let initiation = RawPeer::new(&key(99), &key(SERVER).public_key()).initiation();
    for address in (0xc633_6400u32..).take(600) {
        let source = SocketAddr::new(std::net::Ipv4Addr::from(address).into(), 1000);
        rig.datagram(source, &initiation);
    }
    assert!(rig.dropped(DropReason::HandshakeUnderLoad) > 0);
    rig.lent.datagrams();
}

#[test]
fn under_load_a_cookie_is_sent_and_whoever_returns_it_is_served() {
    let mut rig = Rig::new();
    put_under_load(&mut rig);
    let refused = rig.peer.initiation();
    rig.datagram(home(), &refused);
    let [(to, cookie)] = &rig.lent.datagrams()[..] else { panic!("no cookie") };
    assert_eq!((*to, cookie.len()), (home(), 64));
    assert!(rig.peer.answer(cookie).is_empty());
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    assert_eq!(rig.endpoint(), Some(home()));
}

#[test]
fn under_load_a_response_proves_nothing_and_its_sender_gets_the_cookie() {
    let mut rig = Rig::ready();
    let mut slot = [0; crate::limits::SLOT];
    let session = rig.server.peers.get_mut(0).and_then(|peer| peer.session.as_mut()).unwrap();
    let len = session.initiate(true, &mut slot).unwrap().unwrap();
    let response = rig.peer.answer(&slot[..len]);
    put_under_load(&mut rig);
    rig.now += Duration::from_secs(10);
    let before = rig.server.status(rig.now).remove(0);
    let under_load = rig.dropped(DropReason::HandshakeUnderLoad);
    rig.datagram(cafe(), &response);
    let [(to, cookie)] = &rig.lent.datagrams()[..] else { panic!("no cookie") };
    assert_eq!((*to, cookie.len()), (cafe(), 64));
    assert_eq!(rig.dropped(DropReason::HandshakeUnderLoad), under_load + 1);
    assert_eq!(rig.server.status(rig.now).remove(0), before);
    rig.assert_passes("still there");
}

/// The mac1 of the WireGuard paper, section 5.4.4, which needs the server's public key alone.
fn sign(initiation: &mut [u8]) {
    let public_key = key(SERVER).public_key();
    let mac_key = Blake2s256::new().chain_update(b"mac1----").chain_update(public_key.as_bytes()).finalize();
    let mut mac = <Blake2sMac<U16> as KeyInit>::new_from_slice(&mac_key).unwrap();
    mac.update(&initiation[..116]);
    initiation[116..132].copy_from_slice(&mac.finalize_fixed());
}

#[test]
fn a_client_that_moves_to_and_fro_crowds_out_nobody() {
    let mut rig = Rig::ready();
    let start = rig.now;
    for n in 0..10_000 {
        rig.now = start + Duration::from_micros(250 * n);
        rig.data(if n % 2 == 0 { cafe() } else { home() }, &[]);
    }
    assert_eq!(rig.endpoint(), Some(home()));
    let mut tv = RawPeer::new(&key(3), &key(SERVER).public_key());
    let initiation = tv.initiation();
    rig.lent.datagrams();
    rig.datagram(cafe(), &initiation);
    let keepalive = tv.answer(&rig.lent.datagrams()[0].1);
    rig.datagram(cafe(), &keepalive);
    let events = rig.events();
    assert!(
        events.iter().any(|event| matches!(event, ServerEvent::LeaseNeeded { name, .. } if name == "tv")),
        "{events:?}"
    );
    let moves = events.iter().filter(|event| matches!(event, ServerEvent::ClientMoved { .. })).count();
    assert_eq!(moves, 3, "in 2.5 s");
    assert_eq!(rig.dropped(DropReason::EventOverflow), 0);
}

#[test]
fn moves_within_a_second_are_told_as_one_from_the_first_place_to_the_last() {
    let mut rig = Rig::ready();
    let tunnel: SocketAddr = "192.0.2.77:7".parse().unwrap();
    rig.data(cafe(), &[]);
    rig.data(tunnel, &[]);
    rig.data(home(), &[]);
    assert_eq!(rig.events().len(), 1);
    rig.data(tunnel, &[]);
    assert_eq!(rig.endpoint(), Some(tunnel), "it is answered there all the same");
    rig.now += Duration::from_secs(1);
    rig.data(tunnel, &[]);
    let moved = rig.events();
    assert!(
        matches!(&moved[..], [ServerEvent::ClientMoved { from, to, .. }] if (*from, *to) == (cafe(), tunnel))
    );
}

#[test]
fn whoever_merely_knows_a_clients_public_key_leaves_nothing_behind() {
    let mut rig = Rig::new();
    let mut forged = rig.peer.initiation();
    forged[90] ^= 1; // in the timestamp, which only the client's private key can seal
    sign(&mut forged);
    rig.datagram(cafe(), &forged);
    assert_eq!(rig.dropped(DropReason::HandshakeRefused), 1);
    assert!(rig.lent.datagrams().is_empty());
    assert!(!rig.server.peers.has_sessions());
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    assert_eq!(rig.endpoint(), Some(home()));
}

#[test]
fn a_hundred_thousand_datagrams_of_garbage_are_answered_by_nothing() {
    let mut rig = Rig::ready();
    let mut rng = <StdRng as SeedableRng>::seed_from_u64(3);
    let mut garbage = [0; 1700];
    for n in 0..100_000usize {
        rand::RngCore::fill_bytes(&mut rng, &mut garbage[..200]);
        garbage[..4].copy_from_slice(&[(n % 6) as u8, 0, 0, 0]);
        let len = [148, 92, 64, 32, 200, 1700][n % 6];
        rig.datagram(cafe(), &garbage[..len]);
        assert!(rig.lent.datagrams().is_empty());
    }
    assert!(rig.lent.packets().is_empty());
    assert_eq!(rig.server.stats().drops().map(|(_, count)| count).sum::<u64>(), 100_000);
    rig.assert_passes("still there");
}

proptest! {
    #[test]
    fn arbitrary_datagrams_neither_panic_nor_get_an_answer(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..1700), 1..20),
    ) {
        let mut rig = Rig::ready();
        for bytes in datagrams {
            rig.datagram(cafe(), &bytes);
        }
        prop_assert!(rig.lent.datagrams().is_empty() && rig.lent.packets().is_empty());
    }

    #[test]
    fn arbitrary_packets_of_an_enrolled_client_never_panic(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut rig = Rig::ready();
        rig.data(home(), &payload);
        rig.assert_passes("still there");
    }

    #[test]
    fn arbitrary_packets_of_the_tun_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut rig = Rig::ready();
        rig.packet(&payload);
    }
}
