mod endpoints;
#[expect(clippy::arithmetic_side_effects, reason = "the sums of tests are small")]
mod path_mtu;
mod reachability;

use super::*;
use crate::RefusalReason;
use crate::control::LeaseTerms;
use crate::limits::MAX_WAITING_PACKETS;
use crate::packet::tests::packet_between;
use crate::testing::{Lent, RawPeer, cafe, home, inward, key, lease, outward, server_address, site, start};
use proptest::prelude::*;
use std::net::Ipv6Addr;

const SERVER: u8 = 1;
const PC: u8 = 2;

/// A client, its outputs, and a server at `server_address` that answers what it is told to.
struct Rig {
    client: ClientTunnel,
    lent: Lent,
    server: RawPeer,
    now: Instant,
}

fn config(address: Option<Ipv6Addr>) -> ClientConfig {
    ClientConfig {
        private_key: key(PC),
        server: key(SERVER).public_key(),
        preshared_key: None,
        endpoint: server_address(),
        address,
        keepalive: Duration::from_secs(25),
        own_keepalive: None,
        mtu_ceiling: 1432,
        seed: 1,
        purpose: Purpose::Lease,
    }
}

fn terms(address: Ipv6Addr) -> LeaseTerms {
    LeaseTerms { address, mtu: 1440, keepalive: 20, server_version: (0, 2, 0) }
}

impl Rig {
    fn new(address: Option<Ipv6Addr>) -> Self {
        let now = start();
        let server = RawPeer::serving(&key(SERVER), &key(PC).public_key());
        Self { client: ClientTunnel::new(config(address), now), lent: Lent::new(), server, now }
    }

    /// The handshake is done; what the client sends thereafter lies in the outputs.
    fn established(address: Option<Ipv6Addr>) -> Self {
        let mut rig = Self::new(address);
        rig.timeout();
        rig.answer_handshake();
        rig
    }

    /// The lease is granted and the first heartbeat answered.
    fn up() -> Self {
        let mut rig = Self::established(None);
        let request = rig.said().remove(0);
        rig.control(request.request_id, Message::Lease(terms(lease())));
        rig.answer_heartbeats();
        rig.settle();
        rig.events();
        rig
    }

    fn answer_handshake(&mut self) {
        let mut datagrams = self.lent.datagrams();
        datagrams.retain(|(_, bytes)| bytes[0] == 1);
        let [(to, initiation)] = &datagrams[..] else { panic!("not one initiation") };
        assert_eq!((*to, initiation.len()), (server_address(), 148));
        let response = self.server.answer(initiation);
        self.datagram(server_address(), &response);
    }

    fn answer_heartbeats(&mut self) {
        for envelope in self.said() {
            if envelope.message == Message::Heartbeat {
                self.control(envelope.request_id, Message::HeartbeatReply);
            }
        }
    }

    fn datagram(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.client.handle_datagram(source, bytes, Ecn::NotCapable, &mut self.lent.outputs(), self.now);
    }

    fn data(&mut self, payload: &[u8]) {
        let datagram = self.server.data(payload);
        self.datagram(server_address(), &datagram);
    }

    fn control(&mut self, request_id: u32, message: Message) {
        let datagram = self.server.control(request_id, message);
        self.datagram(server_address(), &datagram);
    }

    fn packet(&mut self, bytes: &[u8]) {
        self.client.handle_packet(bytes, &mut self.lent.outputs(), self.now);
    }

    fn timeout(&mut self) {
        self.client.handle_timeout(&mut self.lent.outputs(), self.now);
    }

    /// Lets time pass from deadline to deadline.
    fn pass(&mut self, time: Duration) {
        let end = after(self.now, time);
        while let Some(deadline) = self.client.next_deadline().filter(|deadline| deadline.at <= end) {
            self.now = deadline.at.max(self.now);
            self.timeout();
        }
        self.now = end;
    }

    /// The control messages that the client sent, but for its probes: these are answered, as on a path of any size.
    fn said(&mut self) -> Vec<Envelope> {
        let mut said = Vec::new();
        for (_, bytes) in self.lent.datagrams() {
            if bytes[0] != 4 || bytes.len() <= 32 {
                continue;
            }
            let envelope = self.server.open_control(&bytes);
            match envelope.message {
                Message::Probe { .. } => {
                    self.answer_probe(envelope.request_id, bytes.len().saturating_sub(32))
                }
                _ => said.push(envelope),
            }
        }
        said
    }

    /// The server knows what the path carries.
    fn settle(&mut self) {
        self.timeout();
        assert!(self.said().is_empty());
    }

    fn answer_probe(&mut self, request_id: u32, len: usize) {
        let reply = self.server.long_control(request_id, Message::ProbeReply, len);
        self.datagram(server_address(), &reply);
    }

    /// The packets that the client sent.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let datagrams = self.lent.datagrams();
        datagrams
            .iter()
            .filter(|(_, bytes)| bytes[0] == 4)
            .filter_map(|(_, bytes)| self.server.open(bytes))
            .collect()
    }

    fn events(&mut self) -> Vec<ClientEvent> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    fn state(&self) -> ClientState {
        self.client.status(self.now).state
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.client.stats().drops_for(reason)
    }
}

#[test]
fn the_first_handshake_is_due_at_once() {
    let rig = Rig::new(None);
    let deadline = rig.client.next_deadline().unwrap();
    assert_eq!((deadline.at, deadline.reason), (rig.now, DeadlineReason::Handshake));
}

#[test]
fn a_lease_is_asked_for_granted_and_proved_by_a_heartbeat() {
    let mut rig = Rig::established(None);
    assert_eq!(rig.state(), ClientState::Leasing);
    let request = rig.said().remove(0);
    assert!(matches!(request.message, Message::LeaseRequest { .. }));
    rig.now += Duration::from_millis(20);
    rig.control(request.request_id, Message::Lease(terms(lease())));
    let granted = Lease {
        address: lease(),
        mtu: 1432,
        keepalive: Duration::from_secs(20),
        server_version: Some((0, 2, 0)),
    };
    assert_eq!(rig.events(), [ClientEvent::LeaseGranted(granted)]);
    rig.now += Duration::from_millis(21);
    rig.answer_heartbeats();
    assert_eq!(rig.events(), [ClientEvent::Connected { rtt: Some(Duration::from_millis(21)) }]);
    assert_eq!(rig.state(), ClientState::Up);
}

#[test]
fn without_an_answer_to_the_first_heartbeat_we_are_connected_a_second_later() {
    let mut rig = Rig::established(None);
    let request = rig.said().remove(0);
    rig.control(request.request_id, Message::Lease(terms(lease())));
    rig.events();
    rig.pass(Duration::from_millis(999));
    assert_eq!(rig.events(), []);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.events(), [ClientEvent::Connected { rtt: None }]);
}

#[test]
fn a_server_that_answers_no_lease_request_is_asked_on_and_told_of_once() {
    let mut rig = Rig::established(None);
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.events(), [ClientEvent::LeaseRefused { reason: RefusalReason::NoAnswer }]);
    let requests = rig.said();
    assert!((14..=20).contains(&requests.len()), "{}", requests.len());
    assert!(requests.iter().all(|request| request.request_id == requests[0].request_id));
}

#[test]
fn a_refusal_is_told_and_the_next_request_comes_five_seconds_later() {
    let mut rig = Rig::established(None);
    let request = rig.said().remove(0);
    rig.control(request.request_id, Message::Refused { reason: RefusalReason::HostFailed });
    assert_eq!(rig.events(), [ClientEvent::LeaseRefused { reason: RefusalReason::HostFailed }]);
    rig.pass(Duration::from_millis(4990));
    assert!(rig.said().is_empty());
    rig.pass(Duration::from_millis(10));
    assert_eq!(rig.said().len(), 1);
}

#[test]
fn with_an_address_of_its_own_the_client_is_connected_and_sends_no_control() {
    let mut rig = Rig::established(Some(lease()));
    let events = rig.events();
    assert!(matches!(events[..], [ClientEvent::LeaseGranted(_), ClientEvent::Connected { rtt: None }]));
    rig.pass(Duration::from_secs(60));
    assert!(rig.sent().is_empty(), "only keepalives");
    rig.control(0, Message::Bye { pause: None });
    assert_eq!(rig.dropped(DropReason::AddressLinkLocal), 1, "nor does it understand any");
    rig.client.handle_stop(&mut rig.lent.outputs(), rig.now);
    assert!(rig.sent().is_empty());
    assert_eq!(rig.state(), ClientState::Up);
}

#[test]
fn packets_pass_both_ways_from_the_lease_and_to_it() {
    let mut rig = Rig::up();
    rig.packet(&outward("hello"));
    assert_eq!(rig.sent(), [outward("hello")]);
    rig.data(&inward("answer"));
    assert_eq!(rig.lent.packets(), [inward("answer")]);
    rig.packet(&inward("not ours to send"));
    assert_eq!(rig.dropped(DropReason::SourceNotLeased), 1);
    rig.data(&outward("not ours to take"));
    assert_eq!(rig.dropped(DropReason::DestinationNotLeased), 1);
    rig.packet(&packet_between(lease(), lease(), 17, b"to ourselves"));
    assert_eq!(rig.dropped(DropReason::AddressOwn), 1);
    assert!(rig.sent().is_empty() && rig.lent.packets().is_empty());
}

#[test]
fn packets_that_waited_for_keys_in_vain_are_counted() {
    let mut rig = Rig::up();
    rig.client.failed(SessionError::Panicked, rig.now);
    for _ in 0..MAX_WAITING_PACKETS + 5 {
        rig.packet(&outward("waits"));
    }
    assert_eq!(rig.dropped(DropReason::QueueFull), 5);
    rig.client.failed(SessionError::Panicked, rig.now);
    assert_eq!(rig.dropped(DropReason::NoSession), MAX_WAITING_PACKETS as u64);
}

#[test]
fn before_there_is_a_lease_nothing_passes() {
    let mut rig = Rig::established(None);
    rig.said();
    rig.packet(&outward("too early"));
    rig.data(&inward("too early"));
    assert_eq!(rig.dropped(DropReason::NoLease), 2);
    assert!(rig.sent().is_empty() && rig.lent.packets().is_empty());
}

#[test]
fn a_changed_lease_is_accepted_and_told() {
    let mut rig = Rig::up();
    rig.control(0, Message::LeaseChanged(terms(site())));
    assert_eq!(rig.said(), [Envelope { request_id: 0, message: Message::LeaseAccepted }]);
    let events = rig.events();
    assert!(
        matches!(events[..], [ClientEvent::LeaseChanged { old, new }] if old == lease() && new.address == site())
    );
}

#[test]
fn a_server_that_stops_answering_is_lost_three_seconds_after_the_first_packet() {
    let mut rig = Rig::up();
    rig.packet(&outward("anybody there?"));
    rig.pass(Duration::from_millis(2999));
    assert_eq!(rig.events(), []);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.events(), [ClientEvent::Lost { reason: LossReason::NoHeartbeat }]);
    rig.lent.datagrams();
    rig.packet(&outward("still tried"));
    assert_eq!(rig.sent(), [outward("still tried")]);
}

#[test]
fn an_idle_server_that_died_is_lost_two_seconds_after_the_keepalive_time() {
    let mut rig = Rig::up();
    rig.pass(Duration::from_millis(21_999));
    assert_eq!(rig.events(), []);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.events(), [ClientEvent::Lost { reason: LossReason::NoHeartbeat }]);
}

#[test]
fn a_keepalive_time_of_its_own_holds_against_the_servers() {
    let mut rig = Rig::established(None);
    rig.client.config.own_keepalive = Some(Duration::from_secs(7));
    let request = rig.said().remove(0);
    rig.control(request.request_id, Message::Lease(terms(lease())));
    rig.answer_heartbeats();
    rig.settle();
    rig.pass(Duration::from_millis(6999));
    assert!(rig.said().is_empty());
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.said().len(), 1, "a heartbeat");
}

#[test]
fn a_lost_server_returns_by_a_handshake_and_a_heartbeat() {
    let mut rig = Rig::up();
    rig.packet(&outward("anybody there?"));
    rig.pass(Duration::from_secs(3));
    rig.events();
    rig.lent.datagrams();
    rig.client.handle_link_change(1432, rig.now);
    rig.timeout();
    rig.answer_handshake();
    assert_eq!(rig.state(), ClientState::Lost, "the heartbeat is not answered yet");
    rig.now += Duration::from_millis(30);
    rig.answer_heartbeats();
    let returned =
        ClientEvent::Returned { rtt: Some(Duration::from_millis(30)), outage: Duration::from_millis(3030) };
    assert_eq!(rig.events(), [returned]);
    assert_eq!(rig.state(), ClientState::Up);
}

#[test]
fn a_heartbeat_that_comes_through_brings_a_lost_server_back_without_a_handshake() {
    let mut rig = Rig::up();
    rig.packet(&outward("anybody there?"));
    rig.pass(Duration::from_secs(3));
    assert_eq!(rig.state(), ClientState::Lost);
    rig.lent.datagrams();
    rig.client.handle_link_change(1432, rig.now);
    rig.timeout();
    rig.answer_heartbeats();
    assert_eq!(rig.state(), ClientState::Up);
}

#[test]
fn handshakes_are_tried_at_growing_distances_and_no_more_often() {
    let mut rig = Rig::new(None);
    rig.pass(Duration::from_secs(600));
    let tries = rig.lent.datagrams().len();
    // Four within the first 3.75 s, then one every 4 s: 153, more or less by the jitter.
    assert!((140..=170).contains(&tries), "{tries}");
}

#[test]
fn silence_from_the_start_is_told_after_three_seconds_and_then_each_minute() {
    let mut rig = Rig::new(None);
    rig.pass(Duration::from_secs(130));
    let told =
        [3, 63, 123].map(|s| ClientEvent::NoAnswer { after: Duration::from_secs(s), is_refused: false });
    assert_eq!(rig.events(), told);
}

#[test]
fn handshake_messages_for_another_session_use_up_nobodys_share_and_refuse_nothing() {
    let mut rig = Rig::new(None);
    rig.timeout();
    let initiation = rig.lent.datagrams().remove(0).1;
    let response = rig.server.answer(&initiation);
    let mut misdirected = response.clone();
    misdirected[9] ^= 1;
    let mut cookie = vec![0; 64];
    cookie[0] = 3;
    for _ in 0..50 {
        rig.datagram(server_address(), &misdirected);
        rig.datagram(server_address(), &cookie);
    }
    assert_eq!(rig.dropped(DropReason::NoSession), 100);
    rig.datagram(server_address(), &response);
    assert_eq!(rig.state(), ClientState::Leasing);
}

#[test]
fn only_a_response_to_our_own_handshake_tells_of_keys_that_do_not_fit() {
    let mut rig = Rig::new(None);
    let initiation = rig.server.initiation();
    rig.datagram(server_address(), &initiation);
    rig.datagram(server_address(), &initiation);
    assert_eq!(rig.dropped(DropReason::HandshakeOutdated), 1, "it was repeated");
    rig.pass(Duration::from_secs(3));
    assert!(matches!(rig.events()[..], [ClientEvent::NoAnswer { is_refused: false, .. }]));

    let mut rig = Rig::new(None);
    let preshared_key = Some(v6tun_keys::PresharedKey::generate().unwrap());
    let config = ClientConfig { preshared_key, ..config(None) };
    rig.client = ClientTunnel::new(config, rig.now);
    rig.timeout();
    rig.answer_handshake();
    rig.pass(Duration::from_secs(3));
    assert!(matches!(rig.events()[..], [ClientEvent::NoAnswer { is_refused: true, .. }]));
}

#[test]
fn a_bye_of_the_server_loses_it_and_handshakes_begin() {
    let mut rig = Rig::up();
    rig.control(0, Message::Bye { pause: None });
    assert_eq!(rig.events(), [ClientEvent::Lost { reason: LossReason::ServerBye }]);
    rig.pass(Duration::from_millis(250));
    assert!(rig.lent.datagrams().iter().any(|(_, bytes)| bytes.len() == 148));
    rig.control(0, Message::Bye { pause: Some(u16::MAX) });
    assert_eq!(rig.events(), [ClientEvent::ServerBye]);
    rig.lent.datagrams();
    rig.pass(Duration::from_millis(59_500));
    assert!(!rig.lent.datagrams().iter().any(|(_, bytes)| bytes.len() == 148), "it was asked to wait");
    rig.pass(Duration::from_millis(500));
    assert!(rig.lent.datagrams().iter().any(|(_, bytes)| bytes.len() == 148), "but a minute at the most");
}

#[test]
fn the_client_says_bye_if_the_server_has_spoken() {
    let mut rig = Rig::up();
    rig.client.handle_stop(&mut rig.lent.outputs(), rig.now);
    assert_eq!(rig.said()[0].message, Message::Bye { pause: None });
    let mut silent = Rig::established(None);
    silent.lent.datagrams();
    silent.client.handle_stop(&mut silent.lent.outputs(), silent.now);
    assert!(silent.said().is_empty());
}

#[test]
fn a_forged_data_message_that_is_too_long_for_the_engine_costs_nothing() {
    let mut rig = Rig::up();
    let mut forged = rig.server.data(&inward("x"));
    forged.resize(4000, 0);
    rig.datagram(cafe(), &forged);
    assert_eq!(rig.dropped(DropReason::DatagramTooLong), 1);
    rig.data(&inward("still there"));
    assert_eq!(rig.lent.packets(), [inward("still there")]);
}

proptest! {
    #[test]
    fn arbitrary_datagrams_neither_panic_nor_get_an_answer(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..1700), 1..20),
    ) {
        let mut rig = Rig::up();
        for bytes in datagrams {
            rig.datagram(cafe(), &bytes);
        }
        prop_assert!(rig.lent.datagrams().is_empty() && rig.lent.packets().is_empty());
    }

    #[test]
    fn arbitrary_packets_of_the_server_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut rig = Rig::up();
        rig.data(&payload);
        rig.data(&inward("still there"));
        prop_assert!(rig.lent.packets().ends_with(&[inward("still there")]));
    }
}
