//! Visitors: PCs with an invitation.

use super::*;
use crate::limits::{MAX_VISIT_REQUESTS, MAX_VISITORS, VISIT};
use crate::packet::Ecn;
use crate::testing::server_address;
use crate::{
    ClientConfig, ClientEvent, ClientTunnel, EnrolAnswer, EnrolRefusal, InvitationEntry, Purpose, VisitorId,
};

/// The throw-away key of the invitation.
const INVITATION: u8 = 40;
/// The key that is to become a client's.
const NEW: u8 = 50;

fn psk(n: u8) -> PresharedKey {
    PresharedKey::from_bytes([n; 32])
}

fn invitation() -> InvitationEntry {
    InvitationEntry { public_key: key(INVITATION).public_key(), preshared_key: psk(INVITATION) }
}

fn inviting() -> Rig {
    let mut rig = Rig::new();
    rig.server.add_invitation(invitation());
    rig
}

/// A PC with the invitation, and its outputs.
struct Visitor {
    tunnel: ClientTunnel,
    lent: Lent,
    address: SocketAddr,
}

impl Visitor {
    fn new(n: u8, preshared_key: PresharedKey, now: Instant) -> Self {
        let config = ClientConfig {
            private_key: key(INVITATION),
            server: key(SERVER).public_key(),
            preshared_key: Some(preshared_key),
            endpoint: server_address(),
            address: None,
            keepalive: Duration::ZERO,
            own_keepalive: None,
            mtu_ceiling: 1440,
            seed: n.into(),
            purpose: Purpose::Enrol { public_key: key(NEW + n).public_key(), name: "pc".to_owned() },
        };
        let address = SocketAddr::new([192, 0, 2, 100 + n].into(), 4000);
        Self { tunnel: ClientTunnel::new(config, now), lent: Lent::new(), address }
    }

    fn datagrams(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.tunnel.handle_timeout(&mut self.lent.outputs(), now);
        self.lent.datagrams().into_iter().map(|(_, bytes)| bytes).collect()
    }

    fn events(&mut self) -> Vec<ClientEvent> {
        std::iter::from_fn(|| self.tunnel.poll_event()).collect()
    }
}

impl Rig {
    /// Carries what either end has to say until both are silent.
    fn converse(&mut self, visitor: &mut Visitor) {
        let mut pending = visitor.datagrams(self.now);
        while !pending.is_empty() {
            for datagram in pending.drain(..) {
                self.datagram(visitor.address, &datagram);
            }
            for (to, datagram) in self.lent.datagrams() {
                assert_eq!(to, visitor.address);
                let out = &mut visitor.lent.outputs();
                visitor.tunnel.handle_datagram(server_address(), &datagram, Ecn::NotCapable, out, self.now);
            }
            pending = visitor.lent.datagrams().into_iter().map(|(_, bytes)| bytes).collect();
        }
    }

    /// The requests that were told, each with the key that is to be enrolled.
    fn requests(&mut self) -> Vec<(VisitorId, PublicKey)> {
        let requested = |event| match event {
            ServerEvent::EnrolRequested { visitor, client, .. } => Some((visitor, client)),
            _ => None,
        };
        self.events().into_iter().filter_map(requested).collect()
    }

    fn answer_visitor(&mut self, visitor: VisitorId, answer: EnrolAnswer) {
        self.server.handle_enrol_answer(visitor, answer, &mut self.lent.outputs(), self.now);
    }

    /// Hands over what was sent to the visitor.
    fn deliver(&mut self, visitor: &mut Visitor) {
        for (_, datagram) in self.lent.datagrams() {
            let out = &mut visitor.lent.outputs();
            visitor.tunnel.handle_datagram(server_address(), &datagram, Ecn::NotCapable, out, self.now);
        }
    }
}

fn enrolled() -> EnrolAnswer {
    EnrolAnswer::Enrolled { preshared_key: psk(99), name: "pc".to_owned() }
}

#[test]
fn a_visitor_asks_once_and_hears_the_answer() {
    let mut rig = inviting();
    let mut visitor = Visitor::new(0, psk(INVITATION), rig.now);
    rig.converse(&mut visitor);
    let [(id, client)] = rig.requests()[..] else { panic!("not one request") };
    assert_eq!(client, key(NEW).public_key());
    rig.answer_visitor(id, enrolled());
    rig.deliver(&mut visitor);
    assert_eq!(visitor.events(), [ClientEvent::Enrolled { preshared_key: psk(99), name: "pc".to_owned() }]);
}

#[test]
fn a_refusal_is_heard_with_its_reason_and_ends_the_request() {
    let mut rig = inviting();
    let mut visitor = Visitor::new(0, psk(INVITATION), rig.now);
    rig.converse(&mut visitor);
    let [(id, _)] = rig.requests()[..] else { panic!("not one request") };
    rig.answer_visitor(id, EnrolAnswer::Refused(EnrolRefusal::Expired));
    rig.deliver(&mut visitor);
    assert_eq!(visitor.events(), [ClientEvent::EnrolRefused { reason: EnrolRefusal::Expired }]);
    rig.now += Duration::from_secs(1);
    rig.converse(&mut visitor);
    assert_eq!(rig.requests(), []);
}

#[test]
fn visitors_with_one_invitation_do_not_disturb_each_other() {
    let mut rig = inviting();
    let mut visitors: Vec<_> = (0..20).map(|n| Visitor::new(n, psk(INVITATION), rig.now)).collect();
    for visitor in &mut visitors {
        rig.converse(visitor);
    }
    let requests = rig.requests();
    assert_eq!(requests.len(), visitors.len());
    for ((id, client), visitor) in requests.into_iter().zip(&mut visitors) {
        let reason = EnrolRefusal::Other(client.as_bytes()[0]);
        rig.answer_visitor(id, EnrolAnswer::Refused(reason));
        rig.deliver(visitor);
        assert_eq!(visitor.events(), [ClientEvent::EnrolRefused { reason }]);
    }
}

#[test]
fn a_repeated_request_is_told_again_only_after_an_answer() {
    let mut rig = inviting();
    let mut visitor = Visitor::new(0, psk(INVITATION), rig.now);
    rig.converse(&mut visitor);
    let [(id, _)] = rig.requests()[..] else { panic!("not one request") };
    rig.now += Duration::from_millis(300);
    rig.converse(&mut visitor);
    assert_eq!(rig.requests(), [], "it waits already");
    rig.answer_visitor(id, enrolled());
    rig.lent.datagrams();
    rig.now += Duration::from_millis(600);
    rig.converse(&mut visitor);
    assert_eq!(rig.requests().len(), 1, "the answer was lost");
}

#[test]
fn a_visitor_whose_server_was_started_anew_comes_again() {
    let mut rig = inviting();
    let mut visitor = Visitor::new(0, psk(INVITATION), rig.now);
    rig.converse(&mut visitor);
    let mut anew = inviting();
    anew.now = rig.now;
    for _ in 0..10 {
        anew.now += Duration::from_millis(250);
        anew.converse(&mut visitor);
    }
    assert_eq!(anew.requests().len(), 1);
}

#[test]
fn who_knows_the_invitation_and_not_its_secret_comes_nowhere() {
    let mut rig = inviting();
    let mut forger = Visitor::new(0, psk(1), rig.now);
    rig.converse(&mut forger);
    assert_eq!(rig.requests(), []);
    let mut stranger = Visitor::new(1, psk(INVITATION), rig.now);
    rig.server.remove_invitation(&key(INVITATION).public_key());
    rig.converse(&mut stranger);
    assert_eq!(rig.requests(), []);
}

#[test]
fn a_visitor_passes_no_packet_and_gets_no_lease() {
    let mut rig = inviting();
    let mut raw = RawPeer::with_preshared_key(&key(INVITATION), &key(SERVER).public_key(), psk(INVITATION));
    let initiation = raw.initiation();
    rig.datagram(home(), &initiation);
    let [(_, response)] = &rig.lent.datagrams()[..] else { panic!("no response") };
    let keepalive = raw.answer(response);
    rig.datagram(home(), &keepalive);
    rig.datagram(home(), &raw.data(&outward("hello")));
    assert_eq!(rig.dropped(DropReason::SourceNotLeased), 1);
    for message in [Message::LeaseRequest { client_version: (0, 1, 0) }, Message::Heartbeat] {
        rig.datagram(home(), &raw.control(1, message));
    }
    assert_eq!(rig.dropped(DropReason::ControlUnexpected), 2);
    assert_eq!(rig.lent.packets(), Vec::<Vec<u8>>::new());
    assert_eq!((rig.lent.datagrams().len(), rig.events()), (0, Vec::new()));
}

#[test]
fn a_visit_ends_and_makes_the_server_work_only_so_often() {
    let mut rig = inviting();
    let mut raw = RawPeer::with_preshared_key(&key(INVITATION), &key(SERVER).public_key(), psk(INVITATION));
    let initiation = raw.initiation();
    rig.datagram(home(), &initiation);
    let [(_, response)] = &rig.lent.datagrams()[..] else { panic!("no response") };
    raw.answer(response);
    let enrol = || Message::Enrol { public_key: key(NEW).public_key(), name: String::new() };
    for _ in 0..MAX_VISIT_REQUESTS + 5 {
        rig.datagram(home(), &raw.control(1, enrol()));
        for (id, _) in rig.requests() {
            rig.answer_visitor(id, enrolled());
        }
    }
    assert_eq!(rig.lent.datagrams().len(), MAX_VISIT_REQUESTS);
    rig.now += VISIT;
    rig.server.handle_timeout(&mut rig.lent.outputs(), rig.now);
    assert_eq!(rig.server.next_deadline(), None, "nobody is there any more");
    rig.datagram(home(), &raw.control(2, enrol()));
    assert_eq!(rig.dropped(DropReason::NoSession), 1);
}

#[test]
fn a_crowd_takes_no_more_than_its_places_and_the_newest_are_served() {
    let mut rig = inviting();
    let mut newest = None;
    for n in 0..MAX_VISITORS + 10 {
        rig.now += Duration::from_millis(1);
        let mut raw =
            RawPeer::with_preshared_key(&key(INVITATION), &key(SERVER).public_key(), psk(INVITATION));
        let source = SocketAddr::new([192, 0, 2, 1].into(), 1);
        let source = SocketAddr::new(
            (u32::from_be_bytes([198, 51, 100, 0]) + u32::try_from(n).unwrap()).to_be_bytes().into(),
            source.port(),
        );
        // The limit on all sources together is not what this is about.
        let initiation = raw.initiation();
        rig.server.identity = Identity::new(&key(SERVER));
        rig.datagram(source, &initiation);
        let [(_, response)] = &rig.lent.datagrams()[..] else { panic!("no response") };
        raw.answer(response);
        newest = Some((raw, source));
    }
    let (mut raw, source) = newest.unwrap();
    let enrol = Message::Enrol { public_key: key(NEW).public_key(), name: String::new() };
    rig.datagram(source, &raw.control(1, enrol));
    assert_eq!(rig.requests().len(), 1);
}

#[test]
fn a_knock_is_answered_by_a_server_that_knows_the_key_and_wants_no_lease() {
    let mut rig = Rig::new();
    let mut knocking = Visitor::new(0, psk(0), rig.now);
    let config = ClientConfig {
        private_key: key(PC),
        server: key(SERVER).public_key(),
        preshared_key: None,
        endpoint: server_address(),
        address: None,
        keepalive: Duration::ZERO,
        own_keepalive: None,
        mtu_ceiling: 1440,
        seed: 1,
        purpose: Purpose::Knock,
    };
    knocking.tunnel = ClientTunnel::new(config, rig.now);
    rig.converse(&mut knocking);
    assert_eq!(knocking.events(), [ClientEvent::Answered]);
}
