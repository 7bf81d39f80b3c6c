//! What happens when the path or the server goes away, and comes back.

use crate::world::{Server, World, lease, nat};
use std::time::Duration;
use v6tun_proto::{ClientEvent, ClientState, LossReason, ServerEvent};
use v6tun_sim::Conditions;

fn is_lost(event: &ClientEvent) -> bool {
    matches!(event, ClientEvent::Lost { .. })
}

fn is_returned(event: &ClientEvent) -> bool {
    matches!(event, ClientEvent::Returned { .. })
}

#[test]
fn a_dead_server_is_noticed_within_three_and_a_half_seconds_of_traffic() {
    for seed in 0..20 {
        let mut world = World::new(Conditions::default(), seed, 1);
        world.run(Duration::from_millis(5000 + seed * 37));
        world.server = Server::Off;
        let died = world.elapsed;
        while !world.told(0, died, is_lost) {
            assert!(world.elapsed - died <= Duration::from_millis(3500));
            world.send_to_site(0, "anybody there?");
            world.run(Duration::from_millis(100));
        }
    }
}

#[test]
fn a_silent_client_is_back_five_seconds_after_an_outage_of_any_length() {
    const MINUTES: [u64; 4] = [1, 10, 12 * 60, 24 * 60];
    for (seed, minutes) in (0..20).zip(MINUTES.into_iter().cycle()) {
        let mut world = World::new(Conditions::default(), seed, 1);
        world.run(Duration::from_secs(60));
        world.is_path_up = false;
        world.run(Duration::from_millis(minutes * 60_000 + seed * 311));
        assert_eq!(world.clients[0].tunnel.status(world.now()).state, ClientState::Lost);
        world.is_path_up = true;
        let back = world.elapsed;
        let at = world.run_until(Duration::from_secs(10), |world| world.told(0, back, is_returned));
        assert!(at - back <= Duration::from_secs(5), "{minutes} min, seed {seed}: {:?}", at - back);
    }
}

#[test]
fn a_client_that_wakes_up_after_hours_gets_its_first_packet_through_within_a_second() {
    for (seed, minutes) in (0..20).zip([3, 9, 60, 12 * 60].into_iter().cycle()) {
        let mut world = World::new(Conditions::default(), seed, 1);
        world.run(Duration::from_secs(30 + seed));
        world.clients[0].is_asleep = true;
        world.run(Duration::from_secs(minutes * 60));
        world.clients[0].is_asleep = false;
        let (woke, before) = (world.elapsed, world.server_packets.len());
        world.send_to_site(0, "good morning");
        let at = world.run_until(Duration::from_secs(10), |world| world.server_packets.len() > before);
        assert!(at - woke <= Duration::from_secs(1), "{minutes} min, seed {seed}: {:?}", at - woke);
    }
}

#[test]
fn during_an_outage_handshakes_are_tried_no_more_often_than_every_three_seconds() {
    let mut world = World::new(Conditions::default(), 3, 1);
    world.run(Duration::from_secs(60));
    world.is_path_up = false;
    world.run(Duration::from_secs(60));
    let before = world.network.sent();
    world.run(Duration::from_secs(3600));
    let rate = (world.network.sent() - before) as f64 / 3600.0;
    // One initiation in 3.2 to 4.8 s; the server sends nothing, for its session is long gone.
    assert!((0.2..=0.32).contains(&rate), "{rate} datagrams a second");
}

#[test]
fn an_outage_that_ends_before_the_keys_do_needs_no_new_lease() {
    let mut world = World::new(Conditions::default(), 4, 1);
    world.run(Duration::from_secs(60));
    world.is_path_up = false;
    world.send_to_site(0, "lost");
    world.run(Duration::from_secs(10));
    assert!(world.told(0, Duration::ZERO, is_lost));
    world.is_path_up = true;
    let back = world.elapsed;
    world.run_until(Duration::from_secs(7), |world| world.told(0, back, is_returned));
    world.run(Duration::from_secs(10));
    let events = &world.clients[0].events;
    let grants = events.iter().filter(|(_, event)| matches!(event, ClientEvent::LeaseGranted(_)));
    assert_eq!(grants.count(), 1);
    assert!(!events.iter().any(|(_, event)| matches!(event, ClientEvent::LeaseChanged { .. })));
    let needed = world.server_events.iter().filter(|e| matches!(e, ServerEvent::LeaseNeeded { .. }));
    assert_eq!(needed.count(), 1);
}

#[test]
fn after_a_restart_of_the_server_a_client_with_traffic_returns_in_seconds() {
    for seed in 0..20 {
        let mut world = World::new(Conditions::default(), seed, 1);
        world.run(Duration::from_secs(30));
        let restarted = world.elapsed;
        world.start_server();
        while !world.told(0, restarted, is_returned) {
            assert!(world.elapsed - restarted < Duration::from_secs(5), "seed {seed}");
            world.send_to_site(0, "traffic");
            world.run(Duration::from_millis(100));
        }
        world.run(Duration::from_secs(1));
        assert_eq!(world.believed(0), Some(nat(0)));
    }
}

#[test]
fn after_a_restart_of_the_server_a_silent_client_is_there_with_its_next_heartbeat() {
    for seed in 0..20 {
        let mut world = World::new(Conditions::default(), seed, 1);
        world.run(Duration::from_millis(30_000 + seed * 1500));
        world.start_server();
        let restarted = world.elapsed;
        let at = world.run_until(Duration::from_secs(40), |world| world.believed(0) == Some(nat(0)));
        assert!(at - restarted <= Duration::from_secs(28), "{:?}", at - restarted);
        world.run(Duration::from_secs(3));
        assert_eq!(world.clients[0].tunnel.status(world.now()).state, ClientState::Up);
    }
}

#[test]
fn a_server_that_lends_another_address_after_its_restart_is_asked_and_obeyed() {
    for seconds in [0, 15, 25] {
        let mut world = World::new(Conditions::default(), 1, 1);
        world.run(Duration::from_secs(30));
        world.start_server_that_lends(3);
        world.run(Duration::from_secs(seconds));
        world.send_to_site(0, "from the old address");
        world.run(Duration::from_secs(30));
        let held = world.clients[0].tunnel.status(world.now()).lease.map(|held| held.address);
        assert_eq!(held, Some(lease(3)));
        assert!(world.told(0, Duration::ZERO, |event| matches!(event, ClientEvent::LeaseChanged { .. })));
    }
}

#[test]
fn a_server_that_says_bye_is_lost_at_once_and_its_successor_found_in_a_second() {
    let mut world = World::new(Conditions::default(), 1, 1);
    world.run(Duration::from_secs(30));
    world.stop_server();
    world.run(Duration::from_millis(11));
    let reason = LossReason::ServerBye;
    assert_eq!(
        world.clients[0].events.last().map(|(_, event)| event.clone()),
        Some(ClientEvent::Lost { reason })
    );
    world.start_server();
    let restarted = world.elapsed;
    world.run_until(Duration::from_secs(1), |world| world.told(0, restarted, is_returned));
}

#[test]
fn the_server_forgets_a_client_that_died_nine_minutes_after_its_last_handshake() {
    let mut world = World::new(Conditions::default(), 1, 1);
    world.run(Duration::from_secs(30));
    world.clients.clear();
    world.run(Duration::from_secs(505));
    assert!(!matches!(world.server_events.last(), Some(ServerEvent::ClientLeft { .. })));
    world.run(Duration::from_secs(10));
    assert!(matches!(world.server_events.last(), Some(ServerEvent::ClientLeft { .. })));
    assert_eq!(world.ours().next_deadline(), None, "an empty server sleeps");
}
