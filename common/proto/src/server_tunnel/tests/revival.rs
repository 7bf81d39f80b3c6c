//! Calling clients back after a start.

use super::*;
use crate::limits::REJECT_AFTER;

/// A server that was started anew, and a client that it knows to have been at `home`.
fn restarted() -> Rig {
    let mut rig = Rig::new();
    let config = ServerConfig { endpoints: vec![(key(PC).public_key(), home())], ..config() };
    rig.server = ServerTunnel::new(config, rig.now);
    rig
}

impl Rig {
    fn timeout(&mut self) {
        self.server.handle_timeout(&mut self.lent.outputs(), self.now);
    }

    /// Lets time pass from deadline to deadline, and gives the moments at which initiations were sent, with where to.
    fn called_within(&mut self, time: Duration) -> Vec<(Duration, SocketAddr)> {
        let (begin, mut calls) = (self.now, Vec::new());
        while let Some(deadline) = self.server.next_deadline().filter(|deadline| deadline.at <= begin + time)
        {
            self.now = deadline.at.max(self.now);
            self.timeout();
            let sent = self.lent.datagrams();
            let initiations = sent.iter().filter(|(_, bytes)| bytes[0] == 1);
            calls.extend(initiations.map(|(to, _)| (self.now - begin, *to)));
        }
        self.now = begin + time;
        calls
    }
}

#[test]
fn a_client_is_called_at_once_and_then_less_often_until_no_router_would_let_it_in() {
    let mut rig = restarted();
    assert_eq!(rig.server.status(rig.now)[0].endpoint, None, "it is not there yet");
    let calls = rig.called_within(Duration::from_secs(600));
    assert_eq!(calls[0], (Duration::ZERO, home()));
    // Four within 3.75 s and then one every 4 s, for 180 s; more or less by the jitter and the engine's own.
    assert!((40..=60).contains(&calls.len()), "{} calls", calls.len());
    assert!(calls.iter().all(|(at, to)| *at <= Duration::from_secs(185) && *to == home()), "{calls:?}");
    let early = calls.iter().filter(|(at, _)| *at < Duration::from_millis(1200)).count();
    assert!((3..=4).contains(&early), "{calls:?}");
    let client = key(PC).public_key();
    assert_eq!(rig.events(), [ServerEvent::ClientCalled { client }], "nobody is there");
}

#[test]
fn the_answer_to_a_call_asks_for_the_lease_and_packets_pass_before_the_client_says_anything() {
    let mut rig = restarted();
    rig.timeout();
    rig.events();
    let (_, initiation) = rig.lent.datagrams().remove(0);
    let response = rig.peer.answer(&initiation);
    rig.datagram(cafe(), &response);
    let [(to, confirmation)] = &rig.lent.datagrams()[..] else { panic!("not one datagram") };
    assert_eq!((*to, confirmation[0]), (home(), 4), "an answer from elsewhere moves nothing");
    let (name, client) = ("pc".to_owned(), key(PC).public_key());
    assert_eq!(rig.events(), [ServerEvent::LeaseNeeded { client, name, address: lease() }]);
    rig.lease_ready();
    rig.packet(&inward("anybody there?"));
    let [(to, datagram)] = &rig.lent.datagrams()[..] else { panic!("not one datagram") };
    assert_eq!(*to, home());
    assert_eq!(rig.peer.open(datagram), Some(inward("anybody there?")));
}

#[test]
fn a_client_that_speaks_is_called_no_more() {
    let mut rig = restarted();
    rig.timeout();
    let (_, initiation) = rig.lent.datagrams().remove(0);
    let response = rig.peer.answer(&initiation);
    rig.datagram(home(), &response);
    let (_, confirmation) = rig.lent.datagrams().remove(0);
    assert!(!rig.called_within(Duration::from_secs(2)).is_empty(), "it may not have come");
    rig.peer.open(&confirmation);
    rig.data(home(), &outward("here"));
    assert_eq!(rig.called_within(Duration::from_secs(60)), []);
}

#[test]
fn a_hundred_clients_are_called_within_a_tenth_of_a_second_and_not_in_one_burst() {
    let address = |n: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, n);
    let port = |n: u16| SocketAddr::new(home().ip(), 40_000 + n);
    let clients = (10..110).map(|n: u8| entry(&format!("pc{n}"), n, address(n.into()))).collect();
    let endpoints = (10..110).map(|n: u8| (key(n).public_key(), port(n.into()))).collect();
    let mut rig = Rig::new();
    rig.server = ServerTunnel::new(ServerConfig { clients, endpoints, ..config() }, rig.now);
    rig.timeout();
    assert_eq!(rig.lent.datagrams().len(), 16);
    let calls = rig.called_within(Duration::from_millis(100));
    assert_eq!(calls.len() + 16, 100);
}

#[test]
fn data_of_a_former_session_calls_its_client_back_once_in_five_seconds() {
    let mut rig = restarted();
    rig.called_within(Duration::from_secs(300));
    let mut stranger = RawPeer::new(&key(PC), &key(SERVER).public_key());
    let mut former = Rig::new();
    former.server = ServerTunnel::new(ServerConfig { seed: 2, ..config() }, former.now);
    former.handshake(home());
    let data = former.peer.data(&outward("from before"));
    rig.datagram(cafe(), &data);
    assert_eq!(rig.called_within(Duration::from_secs(1)), [], "it was never there");
    for _ in 0..3 {
        rig.datagram(home(), &data);
    }
    let calls = rig.called_within(Duration::from_millis(100));
    assert_eq!(calls, [(Duration::ZERO, home())]);
    rig.datagram(home(), &data);
    assert_eq!(rig.called_within(Duration::from_millis(10)), []);
    // One that is there is left in peace.
    let initiation = stranger.initiation();
    rig.datagram(home(), &initiation);
    let keepalive = stranger.answer(&rig.lent.datagrams().remove(0).1);
    rig.datagram(home(), &keepalive);
    rig.now += Duration::from_secs(6);
    rig.datagram(home(), &data);
    assert_eq!(rig.called_within(Duration::from_millis(100)), []);
}

#[test]
fn who_has_said_bye_is_not_called_when_its_datagrams_come_late() {
    let mut rig = Rig::ready();
    let late = rig.peer.data(&outward("overtaken"));
    rig.control(1, Message::Bye { pause: None });
    rig.datagram(home(), &late);
    assert_eq!(rig.called_within(Duration::from_secs(10)), []);
}

#[test]
fn who_has_expired_is_called_when_its_former_session_speaks_again() {
    let mut rig = Rig::ready();
    let asleep = rig.peer.data(&outward("woken up"));
    let place = rig.server.peers.by_key(&key(PC).public_key()).unwrap();
    rig.now += REJECT_AFTER;
    rig.server.left(place);
    rig.datagram(home(), &asleep);
    assert_eq!(rig.called_within(Duration::from_millis(100)), [(Duration::ZERO, home())]);
}

#[test]
fn whoever_answers_calls_from_behind_one_translator_is_heard_and_a_flood_of_answers_is_not() {
    let address = |n: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, n);
    let clients = (10..110).map(|n: u8| entry(&format!("pc{n}"), n, address(n.into()))).collect();
    let port = |n: u8| SocketAddr::new(home().ip(), 40_000 + u16::from(n));
    let endpoints = (10..110).map(|n: u8| (key(n).public_key(), port(n))).collect();
    let mut rig = Rig::new();
    rig.server = ServerTunnel::new(ServerConfig { clients, endpoints, ..config() }, rig.now);
    let mut initiations = Vec::new();
    for _ in 0..10 {
        rig.timeout();
        initiations.extend(rig.lent.datagrams());
        rig.now += Duration::from_millis(10);
    }
    let mut last = Vec::new();
    for (to, initiation) in initiations.iter().filter(|(_, bytes)| bytes[0] == 1).take(100) {
        let n = u8::try_from(to.port() - 40_000).unwrap();
        last = RawPeer::new(&key(n), &key(SERVER).public_key()).answer(initiation);
        rig.datagram(*to, &last);
    }
    let needed = rig.events().iter().filter(|event| matches!(event, ServerEvent::LeaseNeeded { .. })).count();
    assert_eq!(needed, 100);
    for _ in 0..20 {
        rig.datagram(home(), &last);
    }
    assert_eq!(rig.dropped(DropReason::HandshakeRateLimited), 15, "beyond the burst of any source");
}
