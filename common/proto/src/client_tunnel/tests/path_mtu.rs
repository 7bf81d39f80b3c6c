//! The client and a path that does not carry everything.

use super::*;
use crate::limits::MIN_MTU;
use crate::packet::Ipv6Packet;
use crate::packet::tests::packet_between;
use crate::path_mtu::CONFIRM_AFTER;

/// Lets time pass; probes are answered if they are no longer than the path carries, a heartbeat always.
fn pass_on_path(rig: &mut Rig, mtu: usize, time: Duration) {
    let end = after(rig.now, time);
    loop {
        for (_, bytes) in rig.lent.datagrams() {
            if bytes[0] != 4 || bytes.len() <= 32 || bytes.len() > mtu + 32 {
                continue;
            }
            let Ok(Envelope { request_id, message }) = rig.server.try_open_control(&bytes) else { continue };
            match message {
                Message::Probe { .. } => rig.answer_probe(request_id, bytes.len() - 32),
                Message::Heartbeat => rig.control(request_id, Message::HeartbeatReply),
                _ => {}
            }
        }
        let Some(due) = rig.client.next_deadline().filter(|deadline| deadline.at <= end) else { break };
        rig.now = due.at.max(rig.now);
        rig.timeout();
    }
    rig.now = end;
}

/// Up on a path that carries packets of that length.
fn up_on(mtu: usize) -> Rig {
    let mut rig = Rig::new(None);
    rig.timeout();
    rig.answer_handshake();
    pass_on_path(&mut rig, mtu, Duration::from_secs(3));
    rig.control(1, Message::LeaseChanged(terms(lease())));
    rig
}

/// The server takes what was sent and answers nothing; gives the lengths of the packets.
fn hear(rig: &mut Rig) -> Vec<usize> {
    rig.sent().iter().map(Vec::len).collect()
}

fn long(len: usize) -> Vec<u8> {
    packet_between(lease(), site(), 17, &vec![7; len - 40])
}

fn mtu(rig: &Rig) -> u16 {
    rig.client.status(rig.now).lease.unwrap().mtu
}

#[test]
fn the_mtu_of_a_lease_is_what_the_path_carries() {
    assert_eq!(mtu(&up_on(1500)), 1432, "what our own link leaves");
    assert_eq!(mtu(&up_on(1394)), 1394);
    let rig = up_on(1279);
    assert_eq!(mtu(&rig), MIN_MTU);
}

#[test]
fn until_the_path_is_known_only_what_every_path_carries_is_sent() {
    let mut rig = Rig::established(None);
    assert!(hear(&mut rig).contains(&1432), "a probe as long as it can be");
    rig.control(1, Message::LeaseChanged(terms(lease())));
    assert_eq!(mtu(&rig), MIN_MTU);
}

#[test]
fn a_packet_that_does_not_fit_is_answered_with_what_does() {
    let mut rig = up_on(1394);
    rig.lent.datagrams();
    rig.packet(&long(1394));
    assert_eq!((rig.sent().len(), rig.dropped(DropReason::PacketTooBig)), (1, 0));
    rig.packet(&long(1395));
    assert_eq!((rig.sent().len(), rig.dropped(DropReason::PacketTooBig)), (0, 1));
    let [answer] = &rig.lent.packets()[..] else { panic!("not one answer") };
    let answer = Ipv6Packet::parse(answer).unwrap();
    assert_eq!((answer.source(), answer.destination()), (site(), lease()));
    assert_eq!(answer.upper_layer()[4..8], 1394u32.to_be_bytes());
}

#[test]
fn what_is_measured_must_arrive_whole_and_what_is_not_may_be_fragmented() {
    for (path, is_whole) in [(1394, true), (1279, false)] {
        let mut rig = up_on(path);
        rig.lent.datagrams();
        rig.packet(&long(1280));
        let spans = rig.lent.outputs().to_network.spans().to_vec();
        assert_eq!(spans.iter().map(|span| !span.may_be_fragmented).collect::<Vec<_>>(), [is_whole]);
    }
    let mut rig = Rig::established(None);
    let spans = rig.lent.outputs().to_network.spans().to_vec();
    let probe = spans.iter().find(|span| span.len == 1432 + 32).unwrap();
    assert!(!probe.may_be_fragmented, "a probe that arrives in pieces would prove nothing");
    rig.lent.datagrams();
}

#[test]
fn that_the_path_is_too_small_is_told_once() {
    let mut rig = up_on(1279);
    let told =
        |rig: &mut Rig| rig.events().iter().filter(|event| **event == ClientEvent::PathTooSmall).count();
    assert_eq!(told(&mut rig), 1);
    rig.client.handle_link_change(1432, rig.now);
    pass_on_path(&mut rig, 1279, Duration::from_secs(3));
    assert_eq!(told(&mut rig), 0);
}

#[test]
fn a_path_that_shrinks_under_long_packets_is_measured_anew_and_so_is_one_of_which_the_server_says_so() {
    for from_server in [false, true] {
        let mut rig = up_on(1500);
        pass_on_path(&mut rig, 1500, CONFIRM_AFTER);
        rig.events();
        if from_server {
            rig.control(0, Message::ProbeWanted);
        } else {
            rig.packet(&long(1432));
        }
        pass_on_path(&mut rig, 1340, Duration::from_secs(3));
        assert_eq!(mtu(&rig), 1340);
        let [ClientEvent::LeaseChanged { old, new }] = rig.events()[..] else { panic!("not told, or twice") };
        assert_eq!((old, new.address, new.mtu), (lease(), lease(), 1340));
    }
}

#[test]
fn a_server_that_knows_no_probes_is_sent_what_our_link_carries() {
    let mut rig = Rig::established(None);
    rig.pass(Duration::from_secs(3));
    hear(&mut rig);
    rig.control(1, Message::LeaseChanged(terms(lease())));
    assert_eq!(mtu(&rig), 1432);
}

#[test]
fn a_stock_server_is_sent_no_probe() {
    let mut rig = Rig::established(Some(lease()));
    rig.packet(&long(1432));
    rig.client.handle_link_change(1432, rig.now);
    rig.pass(Duration::from_secs(5));
    assert_eq!(hear(&mut rig), [1432]);
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    let mut rig = up_on(1394);
    for id in [0, 1, 77, u32::MAX] {
        rig.answer_probe(id, 1432);
    }
    assert_eq!((mtu(&rig), rig.dropped(DropReason::ControlUnexpected)), (1394, 4));
}
