//! Tests for the doctors.

use super::*;
use crate::{InboundResult, TcpResult};

#[test]
fn the_result_of_a_test_is_told_to_whom_asked_for_it_and_to_nobody_else() {
    let mut rig = Rig::up();
    let result = InboundResult { echo: None, tcp: TcpResult::Silent };
    rig.control(1, Message::InboundResult(result));
    assert_eq!(rig.events(), [], "nobody has asked");
    rig.client.request_inbound_test(None, &mut rig.lent.outputs(), rig.now);
    let request = rig.said().remove(0);
    assert_eq!(request.message, Message::InboundTest { tcp_port: 0 });
    for _ in 0..2 {
        rig.control(request.request_id, Message::InboundResult(result));
    }
    assert_eq!(rig.events(), [ClientEvent::InboundTested(result)]);
}

#[test]
fn a_datagram_for_a_port_test_goes_to_the_servers_host_whatever_port_is_named() {
    let mut rig = Rig::up();
    rig.control(0, Message::PortTest { port: 443, nonce: [9; 16] });
    let to = SocketAddr::new(server_address().ip(), 443);
    assert_eq!(rig.events(), [ClientEvent::PortTestWanted { to, nonce: [9; 16] }]);
}
