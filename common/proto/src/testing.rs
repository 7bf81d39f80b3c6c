//! What the tests of both tunnels share: keys, buffers, and a peer that sends anything.

use crate::DropReason;
use crate::batch::{DatagramBatch, Outputs, PacketBatch};
use crate::control::{ControlBuffer, Ends, Envelope, Message, SERVER_LINK_LOCAL, client_link_local};
use crate::limits::SLOT;
use crate::packet::{Ipv6Packet, tests::packet_between};
use crate::session::{self, Handshake, Identity, Plaintext, Session};
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Instant;
use v6tun_keys::{PresharedKey, PrivateKey, PublicKey};

pub(crate) fn key(n: u8) -> PrivateKey {
    PrivateKey::from_bytes([n; 32])
}

#[expect(clippy::disallowed_methods, reason = "tests need a first moment")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

pub(crate) fn lease() -> Ipv6Addr {
    "2001:db8:1301:740:a133:0:113:2330".parse().unwrap()
}

pub(crate) fn site() -> Ipv6Addr {
    "2001:db8:ffff::2".parse().unwrap()
}

pub(crate) fn server_address() -> SocketAddr {
    "203.0.113.233:51820".parse().unwrap()
}

pub(crate) fn home() -> SocketAddr {
    "192.0.2.1:40000".parse().unwrap()
}

pub(crate) fn cafe() -> SocketAddr {
    "198.51.100.1:50000".parse().unwrap()
}

/// A UDP packet from the lease to the site.
pub(crate) fn outward(text: &str) -> Vec<u8> {
    packet_between(lease(), site(), 17, text.as_bytes())
}

/// A UDP packet from the site to the lease.
pub(crate) fn inward(text: &str) -> Vec<u8> {
    packet_between(site(), lease(), 17, text.as_bytes())
}

/// The two batches of one end.
pub(crate) struct Lent {
    to_network: DatagramBatch,
    to_tun: PacketBatch,
}

impl Lent {
    pub(crate) fn new() -> Self {
        Self { to_network: DatagramBatch::new(), to_tun: PacketBatch::new() }
    }

    pub(crate) fn outputs(&mut self) -> Outputs<'_> {
        Outputs { to_network: &mut self.to_network, to_tun: &mut self.to_tun }
    }

    /// The datagrams that were written since the last time.
    pub(crate) fn datagrams(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let datagrams = self.to_network.iter().map(|(to, bytes)| (to, bytes.to_vec())).collect();
        self.to_network.clear();
        datagrams
    }

    /// The packets that were written since the last time.
    pub(crate) fn packets(&mut self) -> Vec<Vec<u8>> {
        let packets = self.to_tun.iter().map(<[u8]>::to_vec).collect();
        self.to_tun.clear();
        packets
    }
}

/// A peer with a key and no scruples: whatever bytes it is given, it encrypts and sends.
pub(crate) struct RawPeer {
    session: Session,
    ends: Ends,
}

impl RawPeer {
    pub(crate) fn new(own: &PrivateKey, other: &PublicKey) -> Self {
        Self::made_with(own, other, None)
    }

    pub(crate) fn with_preshared_key(own: &PrivateKey, other: &PublicKey, key: PresharedKey) -> Self {
        Self::made_with(own, other, Some(&key))
    }

    fn made_with(own: &PrivateKey, other: &PublicKey, preshared_key: Option<&PresharedKey>) -> Self {
        let with = session::Peer { public_key: other, preshared_key, keepalive: None };
        let session = Identity::new(own).session(&with, 0x00ab_cdef);
        let ends = Ends { ours: client_link_local(&own.public_key()), theirs: SERVER_LINK_LOCAL };
        Self { session, ends }
    }

    /// The same, on the server's side of control.
    pub(crate) fn serving(own: &PrivateKey, client: &PublicKey) -> Self {
        let mut peer = Self::new(own, client);
        peer.ends = Ends { ours: SERVER_LINK_LOCAL, theirs: client_link_local(client) };
        peer
    }

    pub(crate) fn initiation(&mut self) -> Vec<u8> {
        let mut slot = [0; SLOT];
        let len = self.session.initiate(true, &mut slot).unwrap().unwrap();
        slot[..len].to_vec()
    }

    /// Takes a handshake message and gives the answer: a response, or the first keepalive.
    pub(crate) fn answer(&mut self, handshake: &[u8]) -> Vec<u8> {
        let mut slot = [0; SLOT];
        let answered = self.session.receive_handshake(server_address().ip(), handshake, &mut slot);
        let Ok(Handshake::Accepted(len)) = answered else { panic!("{answered:?}") };
        slot[..len].to_vec()
    }

    pub(crate) fn data(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut slot = [0; SLOT];
        let len = self.session.send(payload, &mut slot).unwrap().unwrap();
        slot[..len].to_vec()
    }

    pub(crate) fn control(&mut self, request_id: u32, message: Message) -> Vec<u8> {
        self.long_control(request_id, message, 0)
    }

    pub(crate) fn long_control(&mut self, request_id: u32, message: Message, len: usize) -> Vec<u8> {
        let mut buffer = ControlBuffer::new();
        let packet = buffer.write_long(self.ends, &Envelope { request_id, message }, len).unwrap();
        self.data(packet)
    }

    /// The packet in a data message; `None` for a keepalive.
    pub(crate) fn open(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut slot = [0; SLOT];
        match self.session.receive_data(server_address().ip(), datagram, &mut slot).unwrap() {
            Plaintext::Packet(len) => Some(slot[..len].to_vec()),
            Plaintext::Keepalive => None,
            Plaintext::Unfit(reason) => panic!("{reason}"),
        }
    }

    /// The control message in a data message.
    pub(crate) fn open_control(&mut self, datagram: &[u8]) -> Envelope {
        self.try_open_control(datagram).unwrap()
    }

    pub(crate) fn try_open_control(&mut self, datagram: &[u8]) -> Result<Envelope, DropReason> {
        let packet = self.open(datagram).ok_or(DropReason::ControlMalformed)?;
        self.ends.open(&Ipv6Packet::parse(&packet)?)
    }
}
