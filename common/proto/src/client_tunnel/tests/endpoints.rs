//! Where the client believes its server to be.

use super::*;

#[test]
fn the_server_moves_by_fresh_data_alone() {
    let mut rig = Rig::up();
    let late = rig.server.data(&inward("late"));
    let fresh = rig.server.data(&inward("fresh"));
    rig.datagram(cafe(), &fresh);
    assert_eq!(rig.events(), [ClientEvent::EndpointMoved { from: server_address(), to: cafe() }]);
    rig.datagram(home(), &late);
    rig.datagram(home(), &fresh);
    assert_eq!(rig.client.status(rig.now).endpoint, cafe());
}

#[test]
fn a_new_address_of_the_servers_name_is_tried_at_once() {
    let mut rig = Rig::up();
    rig.client.set_endpoint(server_address(), 1432, rig.now);
    rig.timeout();
    assert!(rig.lent.datagrams().is_empty(), "it is the same address");
    rig.client.set_endpoint(cafe(), 1432, rig.now);
    rig.timeout();
    let [(to, initiation)] = &rig.lent.datagrams()[..] else { panic!("not one initiation") };
    assert_eq!((*to, initiation.len()), (cafe(), 148));
}

#[test]
fn a_packet_to_the_servers_own_address_is_not_wrapped_into_itself() {
    let mut rig = Rig::up();
    rig.client.set_endpoint(SocketAddr::new(site().into(), 51820), 1432, rig.now);
    rig.packet(&outward("round and round"));
    assert_eq!(rig.dropped(DropReason::EndpointInTunnel), 1);
    rig.packet(&packet_between(lease(), "2001:db8:ffff::3".parse().unwrap(), 17, b"beside it"));
    let sent = rig.lent.datagrams();
    assert!(matches!(&sent[..], [(to, _)] if to.ip() == site()));
}
