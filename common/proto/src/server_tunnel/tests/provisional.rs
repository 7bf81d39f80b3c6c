//! Clients whose clock has gone back, and those who send recorded initiations.

use super::*;

/// A session of a client, and an initiation of the same client that was made before that one's.
fn with_older_initiation() -> (Rig, RawPeer, Vec<u8>) {
    let mut rig = Rig::ready();
    let mut older = RawPeer::new(&key(PC), &key(SERVER).public_key());
    let initiation = older.initiation();
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    (rig, older, initiation)
}

#[test]
fn a_client_that_was_started_anew_with_an_older_clock_is_served_with_its_first_data() {
    let (mut rig, mut older, initiation) = with_older_initiation();
    rig.datagram(cafe(), &initiation);
    let [(to, response)] = &rig.lent.datagrams()[..] else { panic!("no response") };
    assert_eq!(*to, cafe());
    assert_eq!(rig.endpoint(), Some(home()), "nothing has moved yet");
    rig.assert_passes("the session goes on meanwhile");
    let keepalive = older.answer(response);
    rig.datagram(cafe(), &keepalive);
    assert_eq!(rig.endpoint(), Some(cafe()));
    let data = older.data(&outward("here I am"));
    rig.datagram(cafe(), &data);
    assert_eq!(rig.lent.packets(), [outward("here I am")]);
    rig.packet(&inward("welcome"));
    let [(to, datagram)] = &rig.lent.datagrams()[..] else { panic!("no packet") };
    assert_eq!((*to, older.open(datagram)), (cafe(), Some(inward("welcome"))));
    let before = rig.peer.data(&outward("from before"));
    rig.datagram(home(), &before);
    assert!(rig.lent.packets().is_empty(), "its former session has ended");
}

#[test]
fn a_recorded_initiation_changes_nothing_and_is_answered_once() {
    let (mut rig, _, initiation) = with_older_initiation();
    for _ in 0..5 {
        rig.datagram(cafe(), &initiation);
    }
    assert_eq!(rig.lent.datagrams().len(), 1);
    assert_eq!(rig.dropped(DropReason::HandshakeOutdated), 4);
    rig.assert_passes("still here");
    assert_eq!(rig.endpoint(), Some(home()));
    assert_eq!(rig.server.peers.get_mut(0).unwrap().provisional.len(), 1);
    rig.now += Duration::from_secs(6);
    rig.server.handle_timeout(&mut rig.lent.outputs(), rig.now);
    assert!(rig.server.peers.get_mut(0).unwrap().provisional.is_empty(), "it is forgotten");
    rig.assert_passes("and so on");
}

#[test]
fn data_that_nobody_can_authenticate_does_not_complete_it() {
    let (mut rig, mut older, initiation) = with_older_initiation();
    rig.datagram(cafe(), &initiation);
    let response = rig.lent.datagrams().remove(0).1;
    let mut forged = older.answer(&response);
    let last = forged.len() - 1;
    forged[last] ^= 1;
    rig.datagram(cafe(), &forged);
    assert_eq!(rig.endpoint(), Some(home()));
    rig.assert_passes("still here");
}

#[test]
fn no_more_than_four_are_kept_and_the_clients_own_completes_all_the_same() {
    let mut rig = Rig::ready();
    let mut recorded: Vec<RawPeer> =
        (0..9).map(|_| RawPeer::new(&key(PC), &key(SERVER).public_key())).collect();
    let initiations: Vec<Vec<u8>> = recorded.iter_mut().map(RawPeer::initiation).collect();
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    for initiation in &initiations {
        rig.now += Duration::from_millis(100);
        rig.datagram(cafe(), initiation);
        assert!(rig.server.peers.get_mut(0).unwrap().provisional.len() <= 4);
    }
    let responses = rig.lent.datagrams();
    let own = recorded[7].answer(&responses[7].1);
    rig.datagram(home(), &own);
    let data = recorded[7].data(&outward("it was me"));
    rig.datagram(home(), &data);
    assert_eq!(rig.lent.packets(), [outward("it was me")]);
    assert!(rig.server.peers.get_mut(0).unwrap().provisional.is_empty());
}
