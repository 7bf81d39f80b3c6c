//! Clients that come, go and change while the server runs.

use super::*;
use std::collections::HashSet;

fn elsewhere() -> Ipv6Addr {
    "2001:db8:1301:740::77".parse().unwrap()
}

impl Rig {
    /// As `ready`, with a client that has spoken control.
    fn speaking() -> Self {
        let mut rig = Self::ready();
        rig.control(1, Message::Heartbeat);
        rig.lent.datagrams();
        rig
    }

    fn move_pc(&mut self, address: Ipv6Addr) -> bool {
        self.server.move_client(&key(PC).public_key(), address, &mut self.lent.outputs(), self.now)
    }

    fn tick(&mut self, by: Duration) {
        self.now += by;
        self.server.handle_timeout(&mut self.lent.outputs(), self.now);
    }

    /// The addresses that the client is told in *lease changed*.
    fn told(&mut self) -> Vec<Ipv6Addr> {
        let datagrams = self.lent.datagrams();
        let told = datagrams.iter().map(|(_, datagram)| match self.peer.open_control(datagram).message {
            Message::LeaseChanged(terms) => terms.address,
            other => panic!("{other:?}"),
        });
        told.collect()
    }
}

#[test]
fn a_revoked_client_is_told_and_passes_nothing_from_then_on() {
    let mut rig = Rig::speaking();
    rig.server.remove_client(&key(PC).public_key(), &mut rig.lent.outputs(), rig.now);
    assert_eq!(rig.answer().message, Message::Revoked);
    rig.data(home(), &outward("late"));
    rig.packet(&inward("late"));
    assert_eq!((rig.lent.packets().len(), rig.lent.datagrams().len()), (0, 0));
    let initiation = rig.peer.initiation();
    rig.datagram(home(), &initiation);
    assert_eq!(rig.dropped(DropReason::UnknownKey), 1);
    assert_eq!(rig.server.status(rig.now).len(), 1);
}

#[test]
fn a_place_that_was_given_up_is_given_out_again_and_others_keep_theirs() {
    let mut rig = Rig::ready();
    for round in 0..100 {
        let (n, address) = (100 + round % 50, elsewhere());
        assert!(rig.server.add_client(entry("new", n, address)));
        assert!(!rig.server.add_client(entry("twice", n, "2001:db8::5".parse().unwrap())), "the same key");
        assert!(!rig.server.add_client(entry("other", 99, address)), "the same address");
        rig.server.remove_client(&key(n).public_key(), &mut rig.lent.outputs(), rig.now);
    }
    assert_eq!(rig.server.peers.places().len(), 3);
    let names: HashSet<String> = rig.server.status(rig.now).into_iter().map(|peer| peer.name).collect();
    assert_eq!(names, HashSet::from(["pc".to_owned(), "tv".to_owned()]));
    rig.assert_passes("still there");
}

#[test]
fn a_client_that_was_added_later_connects_like_any_other() {
    let mut rig = Rig::new();
    rig.server.remove_client(&key(PC).public_key(), &mut rig.lent.outputs(), rig.now);
    assert!(rig.server.add_client(entry("late", PC, lease())));
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    rig.lease_ready();
    rig.assert_passes("hello");
}

#[test]
fn a_moved_client_is_told_once_a_second_until_it_agrees_and_stays_connected() {
    let mut rig = Rig::speaking();
    assert!(rig.move_pc(elsewhere()));
    assert_eq!(rig.told(), [elsewhere()]);
    rig.tick(Duration::from_millis(300));
    assert_eq!(rig.told().len(), 0);
    rig.tick(Duration::from_secs(1));
    assert_eq!(rig.told(), [elsewhere()]);
    rig.control(0, Message::LeaseAccepted);
    rig.tick(Duration::from_secs(2));
    assert_eq!(rig.told().len(), 0);
    rig.data(home(), &outward("from the old address"));
    assert_eq!(rig.lent.packets().len(), 0);
    let packet = packet_between(elsewhere(), site(), 17, b"from the new one");
    rig.data(home(), &packet);
    assert_eq!(rig.lent.packets(), [packet]);
}

#[test]
fn a_second_move_is_told_after_the_first_was_agreed_to() {
    let mut rig = Rig::speaking();
    rig.move_pc(elsewhere());
    rig.told();
    rig.control(0, Message::LeaseAccepted);
    let third = "2001:db8:1301:740::78".parse().unwrap();
    assert!(rig.move_pc(third));
    assert_eq!(rig.told(), [third]);
}

#[test]
fn nobody_is_moved_to_an_address_that_is_taken() {
    let mut rig = Rig::speaking();
    assert!(!rig.move_pc("2001:db8:1301:740::9".parse().unwrap()));
    assert_eq!(rig.told().len(), 0);
    rig.assert_passes("from where it was");
}

#[test]
fn a_move_before_the_first_lease_asks_the_host_for_the_new_address() {
    let mut rig = Rig::new();
    assert!(rig.move_pc(elsewhere()));
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    let needed = rig.events().into_iter().find_map(|event| match event {
        ServerEvent::LeaseNeeded { address, .. } => Some(address),
        _ => None,
    });
    assert_eq!(needed, Some(elsewhere()));
}

#[test]
fn nobody_is_told_of_an_address_that_the_host_does_not_carry() {
    let mut rig = Rig::connected();
    rig.control(1, Message::LeaseRequest { client_version: (0, 1, 0) });
    assert!(rig.move_pc(elsewhere()), "while the first one is pending");
    rig.tick(Duration::from_secs(2));
    assert_eq!(rig.told().len(), 0);
    rig.lease_ready();
    let Message::Lease(terms) = rig.answer().message else { panic!("no lease") };
    assert_eq!(terms.address, elsewhere());
}

#[test]
fn a_renamed_client_is_told_of_by_its_new_name() {
    let mut rig = Rig::new();
    rig.server.rename_client(&key(PC).public_key(), "desk".to_owned());
    let keepalive = rig.handshake(home());
    rig.datagram(home(), &keepalive);
    let connected =
        |event: &ServerEvent| matches!(event, ServerEvent::ClientConnected { name, .. } if name == "desk");
    assert!(rig.events().iter().any(connected));
}
