mod control;
#[expect(clippy::arithmetic_side_effects, reason = "the sums of tests are small")]
mod enrol;
mod hostile;
#[expect(clippy::arithmetic_side_effects, reason = "the sums of tests are small")]
mod path_mtu;
mod provisional;
#[expect(clippy::arithmetic_side_effects, reason = "the sums of tests are small")]
mod revival;
#[expect(clippy::arithmetic_side_effects, reason = "the sums of tests are small")]
mod roster;

use super::*;
use crate::limits::{MAX_HELD_PACKETS, MAX_WAITING_PACKETS};
use crate::packet::tests::packet_between;
use crate::testing::{Lent, RawPeer, cafe, home, inward, key, lease, outward, site, start};

const SERVER: u8 = 1;
const PC: u8 = 2;

/// A server, its outputs, and a client that is there at `home`.
struct Rig {
    server: ServerTunnel,
    lent: Lent,
    peer: RawPeer,
    now: Instant,
}

fn entry(name: &str, n: u8, address: Ipv6Addr) -> ClientEntry {
    ClientEntry { name: name.to_owned(), public_key: key(n).public_key(), preshared_key: None, address }
}

fn config() -> ServerConfig {
    ServerConfig {
        private_key: key(SERVER),
        clients: vec![entry("pc", PC, lease()), entry("tv", 3, "2001:db8:1301:740::9".parse().unwrap())],
        mtu_ceiling: 1440,
        keepalive: Duration::from_secs(25),
        version: (0, 1, 0),
        seed: 1,
        endpoints: Vec::new(),
        invitations: Vec::new(),
    }
}

impl Rig {
    fn new() -> Self {
        let now = start();
        let peer = RawPeer::new(&key(PC), &key(SERVER).public_key());
        Self { server: ServerTunnel::new(config(), now), lent: Lent::new(), peer, now }
    }

    /// With a session whose first data message came from `home`.
    fn connected() -> Self {
        let mut rig = Self::new();
        let keepalive = rig.handshake(home());
        rig.datagram(home(), &keepalive);
        rig
    }

    /// With the lease on the host, too, and nothing left to poll.
    fn ready() -> Self {
        let mut rig = Self::connected();
        rig.lease_ready();
        rig.events();
        rig
    }

    fn handshake(&mut self, from: SocketAddr) -> Vec<u8> {
        let initiation = self.peer.initiation();
        self.datagram(from, &initiation);
        let [(to, response)] = &self.lent.datagrams()[..] else { panic!("no response") };
        assert_eq!(*to, from);
        self.peer.answer(response)
    }

    fn datagram(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.server.handle_datagram(source, bytes, Ecn::NotCapable, &mut self.lent.outputs(), self.now);
    }

    fn packet(&mut self, bytes: &[u8]) {
        self.server.handle_packet(bytes, &mut self.lent.outputs(), self.now);
    }

    fn data(&mut self, source: SocketAddr, payload: &[u8]) {
        let datagram = self.peer.data(payload);
        self.datagram(source, &datagram);
    }

    fn control(&mut self, request_id: u32, message: Message) {
        let datagram = self.peer.control(request_id, message);
        self.datagram(home(), &datagram);
    }

    fn lease_ready(&mut self) {
        self.server.handle_lease_ready(key(PC).public_key(), &mut self.lent.outputs(), self.now);
    }

    fn events(&mut self) -> Vec<ServerEvent> {
        std::iter::from_fn(|| self.server.poll_event()).collect()
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.server.stats().drops_for(reason)
    }

    fn endpoint(&self) -> Option<SocketAddr> {
        self.server.status(self.now)[0].endpoint
    }

    /// The single control message that was sent to the client.
    fn answer(&mut self) -> Envelope {
        let [(to, datagram)] = &self.lent.datagrams()[..] else { panic!("not one datagram") };
        assert_eq!(*to, home());
        self.peer.open_control(datagram)
    }

    fn assert_passes(&mut self, text: &str) {
        self.data(home(), &outward(text));
        assert_eq!(self.lent.packets(), [outward(text)]);
    }
}

#[test]
fn the_first_data_message_tells_of_the_client_and_asks_for_its_lease() {
    let mut rig = Rig::new();
    let keepalive = rig.handshake(home());
    assert_eq!(rig.events(), [], "a handshake alone proves nothing");
    assert_eq!(rig.endpoint(), None);
    rig.datagram(home(), &keepalive);
    let (name, client) = ("pc".to_owned(), key(PC).public_key());
    let connected = ServerEvent::ClientConnected { name: name.clone(), client, endpoint: home() };
    let needed = ServerEvent::LeaseNeeded { client, name, address: lease() };
    assert_eq!(rig.events(), [connected, needed]);
    assert_eq!(rig.endpoint(), Some(home()));
}

#[test]
fn packets_wait_for_the_lease_in_order_and_no_more_than_are_held() {
    let mut rig = Rig::connected();
    let texts: Vec<String> = (0..MAX_HELD_PACKETS + 3).map(|n| n.to_string()).collect();
    for text in &texts {
        rig.data(home(), &outward(text));
    }
    assert!(rig.lent.packets().is_empty());
    assert_eq!(rig.dropped(DropReason::LeasePending), 3);
    rig.lease_ready();
    let expected: Vec<_> = texts[..MAX_HELD_PACKETS].iter().map(|text| outward(text)).collect();
    assert_eq!(rig.lent.packets(), expected);
    rig.assert_passes("after");
}

#[test]
fn a_lease_that_failed_is_asked_for_again_five_seconds_later() {
    let mut rig = Rig::connected();
    rig.events();
    rig.data(home(), &outward("held"));
    rig.server.handle_lease_failed(key(PC).public_key(), &mut rig.lent.outputs(), rig.now);
    assert_eq!(rig.dropped(DropReason::LeaseFailed), 1);
    rig.now += Duration::from_millis(4999);
    rig.data(home(), &outward("too early"));
    assert_eq!(rig.events(), []);
    rig.now += Duration::from_millis(1);
    rig.data(home(), &outward("in time"));
    assert!(matches!(rig.events()[..], [ServerEvent::LeaseNeeded { .. }]));
    rig.lease_ready();
    assert_eq!(rig.lent.packets(), [outward("in time")]);
}

#[test]
fn a_lease_of_which_nothing_was_heard_is_asked_for_again_five_seconds_later() {
    let mut rig = Rig::connected();
    rig.events();
    rig.now += Duration::from_millis(4999);
    rig.data(home(), &outward("too early"));
    assert_eq!(rig.events(), []);
    rig.now += Duration::from_millis(1);
    rig.data(home(), &outward("in time"));
    assert!(matches!(rig.events()[..], [ServerEvent::LeaseNeeded { .. }]));
    assert_eq!(rig.server.status(rig.now)[0].lease, LeaseState::Pending);
}

#[test]
fn packets_from_the_tun_reach_the_holder_of_their_destination() {
    let mut rig = Rig::ready();
    rig.packet(&inward("hello"));
    let [(to, datagram)] = &rig.lent.datagrams()[..] else { panic!() };
    assert_eq!(*to, home());
    assert_eq!(rig.peer.open(datagram), Some(inward("hello")));
    rig.packet(&packet_between(site(), "2001:db8::99".parse().unwrap(), 17, b"nobody"));
    assert_eq!(rig.dropped(DropReason::NoSuchLease), 1);
    rig.packet(&packet_between(site(), "2001:db8:1301:740::9".parse().unwrap(), 17, b"absent"));
    assert_eq!(rig.dropped(DropReason::NoEndpoint), 1);
    assert!(rig.lent.datagrams().is_empty());
}

#[test]
fn fresh_data_moves_the_endpoint_and_nothing_else_does() {
    let mut rig = Rig::ready();
    let late = rig.peer.data(&outward("sent before the move"));
    let moving = rig.peer.data(&outward("sent after the move"));
    rig.handshake(cafe());
    assert_eq!(rig.endpoint(), Some(home()), "a handshake moves nothing");
    rig.datagram(cafe(), &moving);
    assert_eq!(rig.endpoint(), Some(cafe()));
    rig.datagram(home(), &moving);
    assert_eq!(rig.endpoint(), Some(cafe()), "a replay moves nothing");
    rig.datagram(home(), &late);
    assert_eq!(rig.endpoint(), Some(cafe()), "an older message moves nothing");
    assert_eq!(rig.lent.packets().len(), 2, "though it is delivered");
    let moved = rig.events();
    assert!(
        matches!(&moved[..], [ServerEvent::ClientMoved { from, to, .. }] if (*from, *to) == (home(), cafe()))
    );
}

#[test]
fn a_handshake_is_noticed_after_130_that_were_never_confirmed() {
    let mut rig = Rig::ready();
    for _ in 0..130 {
        rig.now += Duration::from_secs(2);
        rig.handshake(home());
    }
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    assert_eq!(rig.server.status(rig.now)[0].latest_handshake, Some(Duration::ZERO));
}

/// The client is known, and its new session has no keys to send with before it is confirmed.
fn without_keys() -> (Rig, Vec<u8>) {
    let mut rig = Rig::ready();
    rig.server.failed(0, SessionError::Panicked);
    let keepalive = rig.handshake(home());
    (rig, keepalive)
}

#[test]
fn packets_wait_for_keys_and_those_beyond_the_bound_are_counted() {
    let (mut rig, keepalive) = without_keys();
    for _ in 0..MAX_WAITING_PACKETS + 5 {
        rig.packet(&inward("waits"));
    }
    assert_eq!(rig.dropped(DropReason::QueueFull), 5);
    rig.lent.datagrams();
    rig.datagram(home(), &keepalive);
    assert_eq!(rig.lent.datagrams().len(), MAX_WAITING_PACKETS);
    rig.packet(&inward("after"));
    assert_eq!((rig.lent.datagrams().len(), rig.dropped(DropReason::QueueFull)), (1, 5));
    rig.server.left(0);
    assert_eq!(rig.dropped(DropReason::NoSession), 0, "nothing waits any more");
}

#[test]
fn what_waits_or_is_held_when_a_client_leaves_is_counted() {
    let (mut rig, _) = without_keys();
    for _ in 0..7 {
        rig.packet(&inward("waits"));
    }
    rig.server.left(0);
    assert_eq!(rig.dropped(DropReason::NoSession), 7);
    let mut rig = Rig::connected();
    rig.data(home(), &outward("held"));
    rig.control(1, Message::Bye { pause: None });
    assert_eq!(rig.dropped(DropReason::LeasePending), 1);
}

#[test]
fn outer_bytes_are_counted_both_ways() {
    let mut rig = Rig::new();
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    let status = rig.server.status(rig.now).remove(0);
    assert_eq!((status.rx_bytes, status.tx_bytes), (148 + 32, 92));
    assert_eq!(status.latest_handshake, Some(Duration::ZERO));
}

#[test]
fn a_full_batch_drops_the_packet_and_says_so() {
    let mut rig = Rig::ready();
    for _ in 0..crate::limits::BATCH + 5 {
        rig.packet(&inward("many"));
    }
    assert_eq!(rig.dropped(DropReason::BatchFull), 5);
    assert_eq!(rig.lent.datagrams().len(), crate::limits::BATCH);
}
