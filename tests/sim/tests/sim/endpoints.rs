//! Where the server believes a client to be.

use crate::world::{World, lease, nat, packet, server_address, site};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use std::net::SocketAddr;
use std::time::Duration;
use v6tun_proto::{ClientEvent, DropReason, ServerEvent};
use v6tun_sim::Conditions;

fn elsewhere() -> SocketAddr {
    "198.51.100.66:6666".parse().unwrap()
}

#[test]
fn a_nat_that_changes_its_mapping_moves_the_endpoint_with_the_next_packet() {
    let mut world = World::new(Conditions::default(), 1, 1);
    world.run(Duration::from_secs(1));
    assert_eq!(world.believed(0), Some(nat(0)));
    world.clients[0].address = nat(500);
    world.send_to_site(0, "from a new mapping");
    world.run(Duration::from_secs(1));
    assert_eq!(world.believed(0), Some(nat(500)));
    assert!(matches!(world.server_events.last(), Some(ServerEvent::ClientMoved { .. })));
    world.send_to_client(&packet(site(), lease(0), "to the new mapping"));
    world.run(Duration::from_secs(1));
    assert_eq!(world.clients[0].packets.len(), 1);
}

#[test]
fn a_silent_client_behind_a_changed_nat_is_found_by_its_heartbeat() {
    let mut world = World::new(Conditions::default(), 1, 1);
    world.run(Duration::from_secs(1));
    world.clients[0].address = nat(500);
    world.run(Duration::from_secs(26));
    assert_eq!(world.believed(0), Some(nat(500)));
}

#[test]
fn what_was_sent_before_the_move_and_arrives_after_it_does_not_undo_it() {
    let slow = Conditions { jitter: Duration::from_millis(200), ..Conditions::default() };
    for seed in 0..20 {
        let mut world = World::new(slow, seed, 1);
        world.run(Duration::from_secs(5));
        for _ in 0..20 {
            world.send_to_site(0, "before");
        }
        world.clients[0].address = nat(500);
        for _ in 0..20 {
            world.send_to_site(0, "after");
        }
        world.run(Duration::from_millis(500));
        assert_eq!(world.believed(0), Some(nat(500)), "seed {seed}");
        let moves = world.server_events.iter().filter(|e| matches!(e, ServerEvent::ClientMoved { .. }));
        assert_eq!(moves.count(), 1, "seed {seed}");
    }
}

/// Sends so many recorded, altered and made-up datagrams from elsewhere to both ends, beside their traffic.
fn bombard(count: usize) {
    let mut world = World::new(Conditions::default(), 1, 1);
    let mut random = StdRng::seed_from_u64(1);
    let mut sent = 0;
    while sent < count {
        world.send_to_site(0, "traffic");
        world.send_to_client(&packet(site(), lease(0), "traffic"));
        world.run(Duration::from_secs(3));
        let (to_server, to_client) = (world.heard.clone(), world.told_to_clients.clone());
        for _ in 0..(count / 100).max(1) {
            let recorded = to_server.choose(&mut random).unwrap();
            world.inject(elsewhere(), &hostile(&recorded.bytes, &mut random));
            let recorded = to_client.choose(&mut random).unwrap();
            world.inject_to_client(0, elsewhere(), &hostile(&recorded.bytes, &mut random));
            sent += 2;
        }
    }
    assert_eq!(world.believed(0), Some(nat(0)));
    let moves = world.server_events.iter().filter(|event| matches!(event, ServerEvent::ClientMoved { .. }));
    assert_eq!(moves.count(), 0);
    assert!(!world.told(0, Duration::ZERO, |event| matches!(event, ClientEvent::EndpointMoved { .. })));
    assert_eq!(world.clients[0].tunnel.status(world.now()).endpoint, server_address());
    for stats in [world.ours().stats(), world.clients[0].tunnel.stats()] {
        for reason in [DropReason::Replayed, DropReason::NotAuthentic, DropReason::HandshakeRefused] {
            assert!(stats.drops_for(reason) > 0, "{reason} was not tried");
        }
    }
    world.clients[0].packets.clear();
    world.send_to_client(&packet(site(), lease(0), "all is well"));
    world.run(Duration::from_secs(1));
    assert_eq!(world.clients[0].packets.len(), 1);
}

/// A datagram as it was recorded, or altered, or a cookie reply for the session that it names.
fn hostile(recorded: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = recorded.to_vec();
    match random.random_range(0..3) {
        0 => {}
        1 => {
            let place = random.random_range(0..bytes.len());
            bytes[place] ^= 1 << random.random_range(0..8);
        }
        _ => {
            let receiver = recorded[4..8].to_vec();
            bytes = vec![0; 64];
            random.fill_bytes(&mut bytes[8..]);
            bytes[..4].copy_from_slice(&[3, 0, 0, 0]);
            bytes[4..8].copy_from_slice(&receiver);
        }
    }
    bytes
}

#[test]
fn a_million_replays_forgeries_and_cookies_from_elsewhere_move_neither_end() {
    bombard(1_000_000);
}
