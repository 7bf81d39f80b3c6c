//! A client and a server that have a lease between them, for tests and benchmarks of the whole core.

#![allow(
    clippy::allow_attributes,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a fixture, in packages of different lints"
)]

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use v6tun_keys::{PrivateKey, PublicKey};
use v6tun_proto::packet::Ecn;
use v6tun_proto::{
    ClientConfig, ClientEntry, ClientEvent, ClientTunnel, DatagramBatch, Outputs, PacketBatch, Purpose,
    ServerConfig, ServerEvent, ServerTunnel,
};

const SERVER: ([u8; 4], u16) = ([203, 0, 113, 2], 51820);
const CLIENT: ([u8; 4], u16) = ([198, 51, 100, 2], 40000);

/// Both ends, and what they have written.
pub(crate) struct Pair {
    pub(crate) client: ClientTunnel,
    pub(crate) server: ServerTunnel,
    pub(crate) from_client: Lent,
    pub(crate) from_server: Lent,
    pub(crate) now: Instant,
    /// What the client is lent.
    pub(crate) lease: Ipv6Addr,
}

/// The two batches of one end.
pub(crate) struct Lent {
    pub(crate) to_network: DatagramBatch,
    pub(crate) to_tun: PacketBatch,
}

impl Lent {
    fn new() -> Self {
        Self { to_network: DatagramBatch::new(), to_tun: PacketBatch::new() }
    }

    pub(crate) fn outputs(&mut self) -> Outputs<'_> {
        Outputs { to_network: &mut self.to_network, to_tun: &mut self.to_tun }
    }

    pub(crate) fn clear(&mut self) {
        self.to_network.clear();
        self.to_tun.clear();
    }
}

impl Pair {
    /// A server of so many clients, of which the last one is here and has its lease.
    pub(crate) fn new(clients: usize) -> Self {
        let (of_server, of_client) = (PrivateKey::from_bytes([1; 32]), PrivateKey::from_bytes([2; 32]));
        let now = now();
        let others = (1..clients).map(|number| entry(PublicKey::from_bytes(numbered_key(number)), number));
        let server = ServerConfig {
            private_key: of_server.clone(),
            clients: others.chain([entry(of_client.public_key(), clients)]).collect(),
            endpoints: Vec::new(),
            invitations: Vec::new(),
            mtu_ceiling: 1440,
            keepalive: Duration::ZERO,
            version: v6tun_proto::VERSION,
            seed: 1,
        };
        let client = ClientConfig {
            private_key: of_client,
            server: of_server.public_key(),
            preshared_key: None,
            endpoint: SERVER.into(),
            address: None,
            keepalive: Duration::ZERO,
            own_keepalive: None,
            mtu_ceiling: 1440,
            seed: 2,
            purpose: Purpose::Lease,
        };
        let mut pair = Self {
            client: ClientTunnel::new(client, now),
            server: ServerTunnel::new(server, now),
            from_client: Lent::new(),
            from_server: Lent::new(),
            now,
            lease: address(clients),
        };
        pair.connect();
        pair
    }

    fn connect(&mut self) {
        let mut has_lease = false;
        for _ in 0..100 {
            self.client.handle_timeout(&mut self.from_client.outputs(), self.now);
            self.carry_to_server();
            while let Some(event) = self.server.poll_event() {
                if let ServerEvent::LeaseNeeded { client, .. } = event {
                    self.server.handle_lease_ready(client, &mut self.from_server.outputs(), self.now);
                }
            }
            self.carry_to_client();
            while let Some(event) = self.client.poll_event() {
                has_lease |= matches!(event, ClientEvent::LeaseGranted(_));
            }
            self.now += Duration::from_millis(50);
        }
        assert!(has_lease, "no lease");
    }

    /// Gives the server what the client has sent.
    pub(crate) fn carry_to_server(&mut self) {
        for (_, datagram) in self.from_client.to_network.iter() {
            let mut out = self.from_server.outputs();
            self.server.handle_datagram(CLIENT.into(), datagram, Ecn::NotCapable, &mut out, self.now);
        }
        self.from_client.to_network.clear();
    }

    /// Gives the client what the server has sent.
    pub(crate) fn carry_to_client(&mut self) {
        for (_, datagram) in self.from_server.to_network.iter() {
            let mut out = self.from_client.outputs();
            self.client.handle_datagram(SERVER.into(), datagram, Ecn::NotCapable, &mut out, self.now);
        }
        self.from_server.to_network.clear();
    }
}

/// Virtual time begins now.
fn now() -> Instant {
    Instant::now()
}

fn entry(public_key: PublicKey, number: usize) -> ClientEntry {
    ClientEntry {
        name: format!("client-{number}"),
        public_key,
        preshared_key: None,
        address: address(number),
    }
}

/// The lease of the client of that number.
fn address(number: usize) -> Ipv6Addr {
    Ipv6Addr::from_bits(0x2001_0db8_0007 << 80 | number as u128)
}

fn numbered_key(number: usize) -> [u8; 32] {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key
}

/// A UDP packet of `len` bytes, 65 575 at the most; its checksum is nobody's concern here.
pub(crate) fn packet(source: Ipv6Addr, destination: Ipv6Addr, len: usize) -> Vec<u8> {
    let payload_len = u16::try_from(len - 40).unwrap();
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(payload_len.to_be_bytes());
    packet.extend([17, 64]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(1000_u16.to_be_bytes());
    packet.extend(2000_u16.to_be_bytes());
    packet.extend(payload_len.to_be_bytes());
    packet.resize(len, 0x5a);
    packet
}
