//! A server that is started anew calls its clients back, so that they can be reached before they say anything.

use crate::world::{World, lease, packet, site};
use std::time::Duration;
use v6tun_proto::{ClientEvent, ClientState};
use v6tun_sim::Conditions;

/// A round trip of 100 ms.
const FAR: Duration = Duration::from_millis(50);
const CLIENTS: usize = 4;

/// From the server's start to the first packet from outside that reaches each of the clients, which are silent.
fn reached(conditions: Conditions, seed: u64, most: Duration) -> Vec<Duration> {
    let mut world = World::new(conditions, seed, CLIENTS);
    world.run(Duration::from_millis(40_000 + seed * 1300));
    world.clients.iter_mut().for_each(|client| client.packets.clear());
    world.restart_server();
    let begin = world.elapsed;
    let mut at = vec![None; CLIENTS];
    while at.iter().any(Option::is_none) {
        assert!(world.elapsed - begin < most, "seed {seed}: {at:?}");
        for n in 0..CLIENTS {
            world.send_to_client(&packet(site(), lease(n), "anybody there?"));
        }
        world.run(Duration::from_millis(10));
        for (n, client) in world.clients.iter().enumerate().filter(|(_, client)| !client.packets.is_empty()) {
            at[n].get_or_insert((world.elapsed - begin, client.packets.len()));
        }
    }
    for client in &world.clients {
        assert_eq!(client.tunnel.status(world.now()).state, ClientState::Up, "seed {seed}");
        let is_lost = |(_, event): &(Duration, ClientEvent)| matches!(event, ClientEvent::Lost { .. });
        let was_lost = client.events.iter().any(is_lost);
        assert!(!was_lost || conditions.loss > 0.0, "seed {seed}: nobody has to notice anything");
    }
    at.into_iter().flatten().map(|(at, _)| at).collect()
}

#[test]
fn silent_clients_are_reached_within_two_round_trips_of_the_servers_start() {
    for seed in 0..20 {
        let reached =
            reached(Conditions { delay: FAR, ..Conditions::default() }, seed, Duration::from_secs(1));
        let latest = reached.iter().max().unwrap();
        // The call, its answer, and the packet itself.
        assert!(*latest <= FAR * 3 + Duration::from_millis(30), "seed {seed}: {reached:?}");
    }
}

#[test]
fn with_a_tenth_of_the_datagrams_lost_they_are_reached_in_five_seconds() {
    for seed in 0..50 {
        let conditions = Conditions { delay: FAR, loss: 0.1, ..Conditions::default() };
        reached(conditions, seed, Duration::from_secs(5));
    }
}

#[test]
fn a_client_that_comes_by_itself_meanwhile_is_served_and_called_no_more() {
    let mut world = World::new(Conditions { delay: FAR, ..Conditions::default() }, 7, 1);
    world.run(Duration::from_secs(40));
    world.restart_server();
    for _ in 0..100 {
        world.send_to_site(0, "traffic");
        world.run(Duration::from_millis(20));
    }
    let before = world.network.sent();
    world.run(Duration::from_secs(20));
    let quiet = world.network.sent() - before;
    assert!(quiet <= 6, "{quiet} datagrams on an idle tunnel");
    assert_eq!(world.clients[0].tunnel.status(world.now()).state, ClientState::Up);
}
