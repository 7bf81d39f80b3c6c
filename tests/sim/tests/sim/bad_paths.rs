//! Half an hour over a path that loses much, with all renewals of keys in it.

use crate::world::{World, lease, packet, site};
use std::time::Duration;
use v6tun_proto::ClientEvent;
use v6tun_sim::Conditions;

const HALF_AN_HOUR: Duration = Duration::from_secs(1800);
/// Between two packets of the traffic, each way.
const SPACE: Duration = Duration::from_millis(50);

/// The longest time for which nothing came through, out and back.
fn longest_gaps(conditions: Conditions, seed: u64) -> [Duration; 2] {
    let mut world = World::new(conditions, seed, 1);
    world.run(Duration::from_secs(30));
    let end = world.elapsed + HALF_AN_HOUR;
    let mut last = [world.elapsed; 2];
    let mut longest = [Duration::ZERO; 2];
    while world.elapsed < end {
        world.send_to_site(0, "out");
        world.send_to_client(&packet(site(), lease(0), "back"));
        world.run(SPACE);
        for (n, has_come) in
            [!world.server_packets.is_empty(), !world.clients[0].packets.is_empty()].into_iter().enumerate()
        {
            if has_come {
                last[n] = world.elapsed;
            }
            longest[n] = longest[n].max(world.elapsed - last[n]);
        }
        world.server_packets.clear();
        world.clients[0].packets.clear();
    }
    longest
}

fn lossy(loss: f64) -> Conditions {
    Conditions { delay: Duration::from_millis(25), loss, ..Conditions::default() }
}

#[test]
fn where_a_tenth_is_lost_no_gap_is_longer_than_a_second() {
    for (loss, seed) in [(0.01, 1), (0.05, 2), (0.1, 3), (0.1, 4), (0.1, 5)] {
        let gaps = longest_gaps(lossy(loss), seed);
        assert!(gaps.iter().all(|gap| *gap <= Duration::from_secs(1)), "{loss}, seed {seed}: {gaps:?}");
    }
}

#[test]
fn where_nearly_a_third_is_lost_no_gap_is_longer_than_ten_seconds() {
    for seed in 0..5 {
        let gaps = longest_gaps(lossy(0.3), seed);
        assert!(gaps.iter().all(|gap| *gap <= Duration::from_secs(10)), "seed {seed}: {gaps:?}");
    }
}

#[test]
fn the_path_is_measured_where_a_tenth_is_lost_and_both_ends_agree() {
    for seed in 0..20 {
        // A packet of 1394 bytes in 32 of WireGuard.
        let narrow = Conditions { black_hole_above: Some(1426), ..lossy(0.1) };
        let mut world = World::new(narrow, seed, 1);
        let at_client =
            |world: &World| world.clients[0].tunnel.status(world.now()).lease.map(|lease| lease.mtu);
        let at_server = |world: &World| world.ours().status(world.now())[0].mtu;
        let found = world.run_until(Duration::from_secs(10), |world| {
            at_server(world).is_some() && at_client(world) == at_server(world)
        });
        assert!(at_client(&world).is_some_and(|mtu| (1340..=1394).contains(&mtu)), "{:?}", at_client(&world));
        assert!(found <= Duration::from_secs(5), "seed {seed}: {found:?}");
    }
}

#[test]
fn a_client_with_little_to_say_comes_back_from_a_line_that_loses_nearly_a_third() {
    let mut outages = Vec::new();
    for seed in 0..10 {
        let mut world = World::new(lossy(0.3), seed, 1);
        world.run(Duration::from_secs(30));
        for _ in 0..360 {
            world.send_to_site(0, "out");
            world.run(Duration::from_secs(5));
        }
        outages.extend(world.clients[0].events.iter().filter_map(|(_, event)| match event {
            ClientEvent::Returned { outage, .. } => Some(*outage),
            _ => None,
        }));
    }
    outages.sort();
    // Before each there are three seconds in which nothing is known yet.
    let (median, longest) = (outages[outages.len() / 2], outages[outages.len() - 1]);
    assert!(
        median <= Duration::from_secs(4) && longest <= Duration::from_secs(20),
        "{median:?}, {longest:?}"
    );
    assert!(outages.len() <= 400, "{} outages in five hours", outages.len());
}
