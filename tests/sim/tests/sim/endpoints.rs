//! Where the server believes a client to be.

use crate::world::{World, lease, nat, packet, site};
use std::net::SocketAddr;
use std::time::Duration;
use v6tun_proto::{DropReason, ServerEvent};
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

#[test]
fn replays_and_forgeries_from_elsewhere_never_move_it() {
    let mut world = World::new(Conditions::default(), 1, 1);
    for n in 0..200u8 {
        world.send_to_site(0, "traffic");
        world.run(Duration::from_secs(3));
        for mut datagram in world.heard.clone() {
            world.inject(elsewhere(), &datagram.bytes);
            let place = usize::from(n) % datagram.bytes.len();
            datagram.bytes[place] ^= 1 << (n % 8);
            world.inject(elsewhere(), &datagram.bytes);
        }
    }
    assert_eq!(world.believed(0), Some(nat(0)));
    assert!(world.ours().stats().drops_for(DropReason::Replayed) > 0);
    let moves = world.server_events.iter().filter(|e| matches!(e, ServerEvent::ClientMoved { .. }));
    assert_eq!(moves.count(), 0);
}
