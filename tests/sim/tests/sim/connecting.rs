//! How a client comes to its lease, on networks good and bad.

use crate::world::{World, lease, nat, packet, site, text};
use std::collections::HashSet;
use std::time::Duration;
use v6tun_proto::{ClientEvent, ClientState, ServerEvent};
use v6tun_sim::Conditions;

fn is_connected(world: &World, n: usize) -> bool {
    world.told(n, Duration::ZERO, |event| matches!(event, ClientEvent::Connected { .. }))
}

#[test]
fn on_a_good_network_a_client_is_connected_after_three_round_trips() {
    let mut world = World::new(Conditions::default(), 1, 1);
    let at = world.run_until(Duration::from_secs(1), |world| is_connected(world, 0));
    assert_eq!(at, Duration::from_millis(60));
    let rtt = world.clients[0].tunnel.status(world.now()).rtt;
    assert_eq!(rtt, Some(Duration::from_millis(20)));
}

#[test]
fn under_thirty_percent_loss_every_client_connects() {
    for seed in 0..40 {
        let mut world = World::new(Conditions { loss: 0.3, ..Conditions::default() }, seed, 1);
        let at = world.run_until(Duration::from_secs(30), |world| is_connected(world, 0));
        assert!(at < Duration::from_secs(15), "seed {seed}: {at:?}");
    }
}

#[test]
fn a_round_trip_of_a_satellite_is_not_too_long() {
    let conditions = Conditions { delay: Duration::from_millis(400), ..Conditions::default() };
    let mut world = World::new(conditions, 1, 1);
    let at = world.run_until(Duration::from_secs(10), |world| is_connected(world, 0));
    assert!(at < Duration::from_secs(5), "{at:?}");
    world.run(Duration::from_secs(300));
    assert_eq!(world.clients[0].tunnel.status(world.now()).state, ClientState::Up);
    assert!(!world.told(0, Duration::ZERO, |event| matches!(event, ClientEvent::Lost { .. })));
}

#[test]
fn two_clients_get_their_own_leases_and_reach_each_other() {
    let mut world = World::new(Conditions::default(), 1, 2);
    world.run(Duration::from_secs(1));
    for n in 0..2 {
        let held = world.clients[n].tunnel.status(world.now()).lease.map(|lease| lease.address);
        assert_eq!(held, Some(lease(n)));
    }
    let greeting = packet(lease(0), lease(1), "greetings");
    world.with_client(0, |client, out, now| client.handle_packet(&greeting, out, now));
    world.run(Duration::from_secs(1));
    // The kernel routes what the server wrote to its tun back into it.
    assert_eq!(world.server_packets, std::slice::from_ref(&greeting));
    world.send_to_client(&greeting);
    world.run(Duration::from_secs(1));
    assert_eq!(world.clients[1].packets, [greeting]);
}

#[test]
fn on_a_good_network_packets_arrive_once_and_in_order() {
    let mut world = World::new(Conditions::default(), 1, 1);
    world.run(Duration::from_secs(1));
    let words: Vec<String> = (0..2000).map(|n| n.to_string()).collect();
    for word in &words {
        world.send_to_site(0, word);
        world.send_to_client(&packet(site(), lease(0), word));
        world.run(Duration::from_millis(1));
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.server_packets.iter().map(|packet| text(packet)).collect::<Vec<_>>(), words);
    assert_eq!(world.clients[0].packets.iter().map(|packet| text(packet)).collect::<Vec<_>>(), words);
}

#[test]
fn on_a_bad_network_packets_arrive_at_most_once_and_unaltered() {
    let bad = Conditions {
        jitter: Duration::from_millis(50),
        loss: 0.05,
        duplication: 0.2,
        corruption: 0.05,
        ..Conditions::default()
    };
    let mut world = World::new(bad, 7, 1);
    world.run_until(Duration::from_secs(30), |world| is_connected(world, 0));
    world.run(Duration::from_secs(1));
    for n in 0..5000 {
        world.send_to_site(0, &n.to_string());
        world.run(Duration::from_millis(1));
    }
    world.run(Duration::from_secs(1));
    let arrived: Vec<u32> = world.server_packets.iter().map(|packet| text(packet).parse().unwrap()).collect();
    let distinct: HashSet<u32> = arrived.iter().copied().collect();
    assert_eq!(distinct.len(), arrived.len(), "none arrived twice");
    assert!(distinct.iter().all(|n| *n < 5000), "none was altered");
    assert!(arrived.len() > 4300, "{} of 5000 arrived", arrived.len());
    assert!(arrived.windows(2).any(|pair| pair[0] > pair[1]), "the network did reorder");
}

#[test]
fn a_client_that_says_bye_is_gone_at_once_and_may_come_back() {
    let mut world = World::new(Conditions::default(), 1, 1);
    world.run(Duration::from_secs(1));
    world.with_client(0, |client, out, now| client.handle_stop(out, now));
    world.clients.clear();
    world.run(Duration::from_millis(11));
    assert!(matches!(world.server_events.last(), Some(ServerEvent::ClientLeft { .. })));
    assert_eq!(world.believed(0), None);
    world.add_client(0, None, 9);
    world.run_until(Duration::from_secs(1), |world| is_connected(world, 0));
    assert_eq!(world.believed(0), Some(nat(0)));
}
