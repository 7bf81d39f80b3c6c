//! A stock WireGuard server, that is the bare engine, and our client with an address of its own.

use crate::world::{World, lease, packet, site, text};
use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519;
use std::net::SocketAddr;
use std::time::Duration;
use v6tun_keys::{PrivateKey, PublicKey};
use v6tun_proto::{ClientEvent, ClientState, DropReason, LossReason};

/// A server that knows WireGuard and nothing else.
pub(crate) struct StockServer {
    engine: Tunn,
    peer: Option<SocketAddr>,
    pub(crate) next_tick: Duration,
    pub(crate) outbox: Vec<(SocketAddr, Vec<u8>)>,
    /// Every packet that came through the tunnel, control too, if there were any.
    pub(crate) packets: Vec<Vec<u8>>,
    /// When a handshake initiation came.
    pub(crate) initiations: Vec<Duration>,
}

impl StockServer {
    pub(crate) fn new(own: &PrivateKey, client: &PublicKey) -> Self {
        let secret = x25519::StaticSecret::from(*own.as_bytes());
        let public = x25519::PublicKey::from(*client.as_bytes());
        Self {
            engine: Tunn::new(secret, public, None, None, 77, None),
            peer: None,
            next_tick: Duration::ZERO,
            outbox: Vec::new(),
            packets: Vec::new(),
            initiations: Vec::new(),
        }
    }

    pub(crate) fn tick(&mut self, elapsed: Duration) {
        self.next_tick = elapsed + Duration::from_millis(250);
        let mut buffer = [0; 2048];
        if let (TunnResult::WriteToNetwork(bytes), Some(peer)) =
            (self.engine.update_timers(&mut buffer), self.peer)
        {
            self.outbox.push((peer, bytes.to_vec()));
        }
    }

    pub(crate) fn receive(&mut self, source: SocketAddr, bytes: &[u8], elapsed: Duration) {
        if bytes.first() == Some(&1) {
            self.initiations.push(elapsed);
        }
        let mut buffer = [0; 2048];
        let mut result = self.engine.decapsulate(Some(source.ip()), bytes, &mut buffer);
        while let TunnResult::WriteToNetwork(answer) = result {
            self.peer = Some(source);
            self.outbox.push((source, answer.to_vec()));
            result = self.engine.decapsulate(None, &[], &mut buffer);
        }
        if let TunnResult::WriteToTunnelV4(packet, _) | TunnResult::WriteToTunnelV6(packet, _) = result {
            self.peer = Some(source);
            self.packets.push(packet.to_vec());
        }
    }

    pub(crate) fn send(&mut self, packet: &[u8]) {
        let mut buffer = [0; 2048];
        if let (TunnResult::WriteToNetwork(bytes), Some(peer)) =
            (self.engine.encapsulate(packet, &mut buffer), self.peer)
        {
            self.outbox.push((peer, bytes.to_vec()));
        }
    }
}

#[test]
fn a_stock_server_meets_only_packets_of_the_client_and_never_control() {
    let mut world = World::with_stock_server(1);
    world.run(Duration::from_secs(1));
    for n in 0..600 {
        world.send_to_site(0, &n.to_string());
        world.send_to_client(&packet(site(), lease(0), &n.to_string()));
        world.run(Duration::from_secs(1));
    }
    world.with_client(0, |client, out, now| client.handle_stop(out, now));
    world.run(Duration::from_secs(1));
    let expected: Vec<_> = (0..600).map(|n| n.to_string()).collect();
    assert_eq!(world.stock().packets.iter().map(|packet| text(packet)).collect::<Vec<_>>(), expected);
    assert_eq!(world.clients[0].packets.iter().map(|packet| text(packet)).collect::<Vec<_>>(), expected);
    assert!((5..=7).contains(&world.stock().initiations.len()), "{:?}", world.stock().initiations);
}

#[test]
fn a_silent_client_of_a_stock_server_can_be_reached_all_day() {
    let mut world = World::with_stock_server(2);
    world.run(Duration::from_secs(1));
    for hour in 0..24 {
        for n in 0..20 {
            world.run(Duration::from_millis(179_999));
            world.send_to_client(&packet(site(), lease(0), &format!("{hour}:{n}")));
            world.run(Duration::from_millis(1));
        }
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.clients[0].packets.len(), 24 * 20);
    assert!(world.stock().packets.is_empty());
    let telling = &world.clients[0].events;
    assert_eq!(telling.len(), 2, "{telling:?}");
}

#[test]
fn a_client_that_asks_a_stock_server_for_a_lease_is_told_that_there_is_none() {
    let mut world = World::with_stock_server(3);
    world.clients.clear();
    world.add_client(0, None, 3);
    world.run(Duration::from_secs(30));
    assert!(world.told(0, Duration::ZERO, |event| matches!(event, ClientEvent::LeaseRefused { .. })));
    assert_eq!(world.clients[0].tunnel.status(world.now()).state, ClientState::Leasing);
}

#[test]
fn a_stock_server_that_dies_is_lost_by_handshakes_and_returns_by_one() {
    let mut world = World::with_stock_server(4);
    world.run(Duration::from_secs(1));
    world.is_path_up = false;
    let lost = |world: &World| {
        world.told(0, Duration::ZERO, |event| {
            matches!(event, ClientEvent::Lost { reason: LossReason::NoHandshake })
        })
    };
    let at = world.run_until(Duration::from_secs(300), lost);
    // Silent, its keys are 120 s old when it first misses the server, and then it tries for 90 s.
    assert!((Duration::from_secs(205)..Duration::from_secs(216)).contains(&at), "{at:?}");
    world.run(Duration::from_secs(600));
    world.is_path_up = true;
    let back = world.elapsed;
    let returned = world.run_until(Duration::from_secs(7), |world| {
        world.told(0, back, |event| matches!(event, ClientEvent::Returned { .. }))
    });
    assert!(returned - back <= Duration::from_millis(6100), "{:?}", returned - back);
}

#[test]
fn a_clock_that_steps_back_costs_one_session_and_not_the_process() {
    let mut world = World::with_stock_server(5);
    world.run(Duration::from_secs(30));
    mock_instant::MockClock::set_time(Duration::from_secs(20));
    world.with_client(0, |client, out, now| client.handle_timeout(out, now + Duration::from_secs(1)));
    let stats = world.clients[0].tunnel.stats();
    assert_eq!(stats.drops_for(DropReason::SessionPanicked), 1);
    assert_eq!(world.clients[0].tunnel.status(world.now()).state, ClientState::Lost);
}
