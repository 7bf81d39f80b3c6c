//! Whole days, in seconds.

use crate::world::{World, lease, packet, site};
use std::time::{Duration, Instant};
use v6tun_proto::ClientEvent;
use v6tun_sim::Conditions;

const DAY: u64 = 24 * 3600;

fn count(world: &World, is_it: impl Fn(&ClientEvent) -> bool) -> usize {
    world.clients[0].events.iter().filter(|(_, event)| is_it(event)).count()
}

#[test]
fn a_day_with_a_packet_each_way_every_ten_seconds_loses_none() {
    let clock = Instant::now();
    let mut world = World::new(Conditions::default(), 1, 1);
    world.run(Duration::from_secs(1));
    for n in 0..DAY / 10 {
        world.send_to_site(0, &n.to_string());
        world.send_to_client(&packet(site(), lease(0), &n.to_string()));
        world.run(Duration::from_secs(10));
    }
    assert_eq!(world.server_packets.len() as u64, DAY / 10);
    assert_eq!(world.clients[0].packets.len() as u64, DAY / 10);
    assert_eq!(count(&world, |event| matches!(event, ClientEvent::Lost { .. })), 0);
    println!("a day with traffic took {:?}", clock.elapsed());
}

#[test]
fn a_silent_client_can_be_reached_all_day() {
    let clock = Instant::now();
    let mut world = World::new(Conditions::default(), 2, 1);
    world.run(Duration::from_secs(1));
    for n in 0..DAY / 600 {
        world.run(Duration::from_secs(600));
        let age = world.clients[0].tunnel.status(world.now()).latest_handshake;
        assert!(age.is_some_and(|age| age <= Duration::from_secs(150)), "{age:?}");
        world.send_to_client(&packet(site(), lease(0), &n.to_string()));
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.clients[0].packets.len() as u64, DAY / 600);
    assert_eq!(count(&world, |event| matches!(event, ClientEvent::Lost { .. })), 0);
    println!("a silent day took {:?}", clock.elapsed());
}

#[test]
fn an_hour_on_a_bad_line_never_ends_in_silence() {
    let bad = Conditions {
        jitter: Duration::from_millis(30),
        loss: 0.1,
        duplication: 0.02,
        corruption: 0.01,
        ..Conditions::default()
    };
    let mut world = World::new(bad, 3, 1);
    world.run(Duration::from_secs(30));
    for n in 0..3600 {
        world.send_to_site(0, &n.to_string());
        world.run(Duration::from_secs(1));
    }
    world.run(Duration::from_secs(1));
    let share = world.server_packets.len() as f64 / 3600.0;
    assert!(share > 0.85, "{share}");
}
