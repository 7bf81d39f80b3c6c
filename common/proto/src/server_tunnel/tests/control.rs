//! Leases, heartbeats and leave-taking.

use super::*;

fn bare_terms() -> Terms {
    Terms { mtu: 1440, keepalive: 25, version: (0, 1, 0) }
}

#[test]
fn a_lease_request_is_answered_when_the_host_is_ready_and_then_at_once() {
    let mut rig = Rig::connected();
    let request = Message::LeaseRequest { client_version: (0, 1, 0) };
    rig.control(1, request.clone());
    rig.control(1, request.clone());
    assert!(rig.lent.datagrams().is_empty());
    rig.lease_ready();
    let lease = Message::Lease(bare_terms().of(lease()));
    assert_eq!(rig.answer(), Envelope { request_id: 1, message: lease.clone() });
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
fn a_client_has_its_reachability_tested_once_in_two_seconds_and_hears_how_it_went() {
    let mut rig = Rig::ready();
    rig.events();
    for request_id in [4, 5] {
        rig.control(request_id, Message::InboundTest { tcp_port: 443 });
    }
    let wanted = ServerEvent::InboundTestWanted {
        client: key(PC).public_key(),
        request_id: 4,
        address: lease(),
        tcp_port: std::num::NonZeroU16::new(443),
    };
    assert_eq!(rig.events(), [wanted]);
    assert_eq!(rig.dropped(DropReason::ControlUnexpected), 1);
    let result = crate::InboundResult { echo: Some(Duration::from_millis(20)), tcp: crate::TcpResult::Open };
    rig.server.handle_inbound_result(&key(PC).public_key(), 4, result, &mut rig.lent.outputs());
    assert_eq!(rig.answer(), Envelope { request_id: 4, message: Message::InboundResult(result) });
    rig.now += Duration::from_secs(2);
    rig.control(6, Message::InboundTest { tcp_port: 0 });
    assert!(matches!(rig.events()[..], [ServerEvent::InboundTestWanted { tcp_port: None, .. }]));
}

#[test]
fn a_client_without_a_lease_is_not_tested() {
    let mut rig = Rig::connected();
    rig.events();
    rig.control(1, Message::InboundTest { tcp_port: 443 });
    assert_eq!(rig.events(), []);
}

#[test]
fn a_client_is_asked_for_a_datagram_from_elsewhere_which_counts_once() {
    let mut rig = Rig::ready();
    let (client, nonce) = (key(PC).public_key(), [7; 16]);
    rig.server.request_port_test(&client, 51820, nonce, &mut rig.lent.outputs());
    assert!(rig.lent.datagrams().is_empty(), "it has not spoken control");
    rig.control(1, Message::Heartbeat);
    rig.answer();
    rig.server.request_port_test(&client, 51820, nonce, &mut rig.lent.outputs());
    assert_eq!(rig.answer().message, Message::PortTest { port: 51820, nonce });
    rig.events();
    rig.datagram(cafe(), &[6; 16]);
    assert_eq!(rig.events(), [], "it is another datagram");
    for _ in 0..2 {
        rig.datagram(cafe(), &nonce);
    }
    assert_eq!(rig.events(), [ServerEvent::PortTested { source: cafe() }]);
}
