//! What the tests of the state share, and the operations' own.

use super::*;
use crate::inbound::{Inbound, MAX_RANGES, Policy};
use v6tun_host::network::PortRange;

mod clients;
mod invitations;

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const DAY: u64 = 24 * 60 * 60;

pub(super) fn key(number: u32) -> PublicKey {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    PublicKey::from_bytes(bytes)
}

pub(super) fn psk(number: u8) -> PresharedKey {
    PresharedKey::from_bytes([number; 32])
}

pub(super) fn address(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number)
}

pub(super) fn id(number: u32) -> InvitationId {
    InvitationId::from_bytes(number.to_be_bytes())
}

pub(super) fn client(name: &str, number: u16) -> StoredClient {
    StoredClient {
        name: name.to_owned(),
        public_key: key(u32::from(number)),
        preshared_key: None,
        address: address(number),
        invitation: None,
        since: NOW,
        inbound: Inbound::default(),
    }
}

/// One that can be used for a day. Its key is nobody's else.
pub(super) fn invitation(name: &str, number: u32) -> StoredInvitation {
    StoredInvitation {
        id: id(number),
        name: name.to_owned(),
        public_key: key(0x8000_0000 | number),
        preshared_key: psk(9),
        created: NOW,
        expires: NOW + DAY,
        end: None,
    }
}

/// A client, one of `server.toml`, and an invitation of each kind.
pub(super) fn state() -> State {
    let mut state = State::default();
    state.add_client(client("desk", 1)).unwrap();
    state.set_lease(key(100), address(100)).unwrap();
    for (number, name) in [(1, "tv"), (2, "laptop"), (3, "phone")] {
        state.open_invitation(invitation(name, number)).unwrap();
    }
    state.use_invitation(id(2), key(2), psk(2), address(2), NOW + 60).unwrap();
    state.withdraw(id(3), NOW + 60).unwrap();
    state.set_endpoint(key(1), "192.0.2.1:40000".parse().unwrap());
    state.set_endpoint(key(2), "[2001:db8:5::1]:40000".parse().unwrap());
    state
}

/// As many of everything as can be, with the longest of each.
pub(super) fn largest_state() -> State {
    let mut state = State::default();
    let name = |number: usize| format!("{number:063}");
    let ports: Vec<PortRange> =
        (0..MAX_RANGES as u16).map(|n| PortRange::new(10_000 + 10 * n, 10_001 + 10 * n).unwrap()).collect();
    for number in 0..MAX_CLIENTS {
        let n = u16::try_from(number).unwrap();
        let long =
            |part: u16| Ipv6Addr::new(0x2001, 0xdb80, part, 0xffff, 0xffff, 0xffff, 0xffff, 0x8000 | n);
        state.clients.push(StoredClient {
            name: name(number),
            preshared_key: Some(psk(1)),
            address: long(0x1111),
            invitation: Some(id(1)),
            inbound: Inbound { policy: Policy::Established, tcp: ports.clone(), udp: ports.clone() },
            ..client("x", n)
        });
        state.leases.push(StoredLease { public_key: key(0x10_0000 + u32::from(n)), address: long(0x2222) });
    }
    for number in 0..MAX_INVITATIONS {
        let end = Some(InvitationEnd::Used { by: key(1), at: NOW });
        let id = u32::try_from(number).unwrap();
        state.invitations.push(StoredInvitation { end, ..invitation(&name(number), id) });
    }
    let clients = state.clients.iter().map(|client| client.public_key);
    for public_key in clients.chain(state.leases.iter().map(|lease| lease.public_key)).collect::<Vec<_>>() {
        let longest = "[2001:db80:1111:ffff:ffff:ffff:ffff:ffff%4294967295]:65535";
        state.endpoints.push(StoredEndpoint { public_key, endpoint: longest.parse().unwrap() });
    }
    state
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", state());
    for secret in [psk(2), psk(9)] {
        assert!(!shown.contains(&*secret.to_base64()), "{shown}");
    }
    assert!(!shown.contains("[9, 9, 9"), "{shown}");
}

/// The operation is refused, says why and what to do, and has changed nothing.
fn assert_refused<T: std::fmt::Debug>(
    state: &State,
    operation: impl FnOnce(&mut State) -> Result<T, Refusal>,
    words: &str,
) {
    let mut changed = state.clone();
    let refusal = operation(&mut changed).unwrap_err();
    assert!(refusal.to_string().contains(words), "{refusal}");
    assert!(refusal.hint().is_some() || matches!(refusal, Refusal::IdTaken { .. }), "{refusal}");
    assert_eq!(changed, *state, "{refusal}");
}
