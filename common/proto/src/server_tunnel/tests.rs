use super::*;
use crate::limits::{MAX_DATAGRAM, MAX_HELD_PACKETS};
use crate::packet::tests::packet_between;
use crate::testing::{Lent, RawPeer, cafe, home, inward, key, lease, outward, site, start};
use blake2::digest::{FixedOutput, KeyInit, Update, consts::U16};
use blake2::{Blake2s256, Blake2sMac, Digest};
use proptest::prelude::*;

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
        self.server.handle_datagram(source, bytes, &mut self.lent.outputs(), self.now);
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

fn bare_terms() -> Terms {
    Terms { mtu: 1440, keepalive: 25, version: (0, 1, 0) }
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

#[test]
fn under_load_a_cookie_is_sent_and_whoever_returns_it_is_served() {
    let mut rig = Rig::new();
    let mut stranger = RawPeer::new(&key(99), &key(SERVER).public_key());
    let initiation = stranger.initiation();
    for n in 0..600u32 {
        let source = SocketAddr::new(std::net::Ipv4Addr::from(0xc633_6400 + n).into(), 1000);
        rig.datagram(source, &initiation);
    }
    assert!(rig.dropped(DropReason::HandshakeUnderLoad) > 0);
    rig.lent.datagrams();
    let refused = rig.peer.initiation();
    rig.datagram(home(), &refused);
    let [(to, cookie)] = &rig.lent.datagrams()[..] else { panic!("no cookie") };
    assert_eq!((*to, cookie.len()), (home(), 64));
    assert!(rig.peer.answer(cookie).is_empty());
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    assert_eq!(rig.endpoint(), Some(home()));
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
fn a_lease_request_is_answered_when_the_host_is_ready_and_then_at_once() {
    let mut rig = Rig::connected();
    let request = Message::LeaseRequest { client_version: (0, 1, 0) };
    rig.control(1, request);
    rig.control(1, request);
    assert!(rig.lent.datagrams().is_empty());
    rig.lease_ready();
    let lease = Message::Lease(bare_terms().of(lease()));
    assert_eq!(rig.answer(), Envelope { request_id: 1, message: lease });
    rig.control(2, request);
    assert_eq!(rig.answer(), Envelope { request_id: 2, message: lease });
    assert!(rig.lent.packets().is_empty(), "control is never shown to the tun");
}

#[test]
fn a_lease_request_is_refused_when_the_host_failed() {
    let mut rig = Rig::connected();
    rig.control(1, Message::LeaseRequest { client_version: (0, 1, 0) });
    rig.server.handle_lease_failed(key(PC).public_key(), &mut rig.lent.outputs(), rig.now);
    let refused = Message::Refused { reason: RefusalReason::HostFailed };
    assert_eq!(rig.answer(), Envelope { request_id: 1, message: refused });
}

#[test]
fn heartbeats_are_answered_also_before_the_lease_is_ready() {
    let mut rig = Rig::connected();
    rig.control(7, Message::Heartbeat);
    assert_eq!(rig.answer(), Envelope { request_id: 7, message: Message::HeartbeatReply });
}

#[test]
fn a_client_that_uses_another_address_is_told_its_own_until_it_agrees() {
    let mut rig = Rig::ready();
    let wrong = packet_between("2001:db8::77".parse().unwrap(), site(), 17, b"old address");
    rig.data(home(), &wrong);
    assert!(rig.lent.datagrams().is_empty(), "it has not spoken control");
    rig.control(1, Message::Heartbeat);
    rig.answer();
    rig.data(home(), &wrong);
    let changed = Message::LeaseChanged(bare_terms().of(lease()));
    assert_eq!(rig.answer(), Envelope { request_id: 0, message: changed });
    rig.control(0, Message::LeaseAccepted);
    rig.now += Duration::from_secs(10);
    rig.data(home(), &wrong);
    assert!(rig.lent.datagrams().is_empty());
}

#[test]
fn control_in_the_name_of_another_client_is_dropped() {
    let mut rig = Rig::ready();
    let mut impostor = RawPeer::new(&key(3), &key(SERVER).public_key());
    let forged = {
        let mut buffer = crate::control::ControlBuffer::new();
        let ends = crate::control::Ends {
            ours: crate::client_link_local(&key(PC).public_key()),
            theirs: crate::SERVER_LINK_LOCAL,
        };
        buffer
            .write(ends, &Envelope { request_id: 0, message: Message::Bye { pause: None } })
            .unwrap()
            .to_vec()
    };
    let initiation = impostor.initiation();
    rig.datagram(cafe(), &initiation);
    let response = rig.lent.datagrams().remove(0).1;
    impostor.answer(&response);
    let bye = impostor.data(&forged);
    rig.datagram(cafe(), &bye);
    assert_eq!(rig.dropped(DropReason::ControlSourceMismatch), 1);
    rig.assert_passes("still there");
}

#[test]
fn after_a_bye_the_client_is_gone_and_its_lease_stays() {
    let mut rig = Rig::ready();
    rig.control(1, Message::Bye { pause: None });
    let left = ServerEvent::ClientLeft { name: "pc".to_owned(), client: key(PC).public_key() };
    assert_eq!(rig.events(), [left]);
    let status = rig.server.status(rig.now).remove(0);
    assert_eq!((status.endpoint, status.lease), (None, LeaseState::Ready));
    rig.now += SESSION_TICK;
    rig.server.handle_timeout(&mut rig.lent.outputs(), rig.now);
    assert_eq!(rig.server.next_deadline(), None);
    rig.packet(&inward("to nobody"));
    assert_eq!(rig.dropped(DropReason::NoEndpoint), 1);
}

#[test]
fn the_server_says_bye_to_those_that_speak_control_and_to_no_others() {
    let mut rig = Rig::ready();
    rig.server.handle_stop(&mut rig.lent.outputs(), rig.now);
    assert!(rig.lent.datagrams().is_empty());
    rig.control(1, Message::Heartbeat);
    rig.answer();
    rig.server.handle_stop(&mut rig.lent.outputs(), rig.now);
    assert_eq!(rig.answer().message, Message::Bye { pause: None });
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
    assert_eq!(rig.server.stats().total(), 100_000);
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
