//! One client as the server knows it.

use super::path_mtu::PeerPath;
use super::provisional::Provisional;
use super::revival::Revival;
use super::{ClientEntry, PeerStatus};
use crate::batch::DatagramBatch;
use crate::control::{
    ControlBuffer, Ends, Envelope, LeaseTerms, Message, Responder, SERVER_LINK_LOCAL, client_link_local,
};
use crate::endpoint::Endpoint;
use crate::event::Record;
use crate::limits::{LEASE_RETRY, MAX_HELD_PACKETS, MAX_QUEUED_PACKETS, MOVE_INTERVAL};
use crate::session::{self, Session, SessionError};
use crate::{DropReason, ServerEvent};
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Instant;

/// Whether the host carries a client's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// The client was never there.
    Unused,
    /// The host was asked to bring it up.
    Pending,
    /// The host carries it.
    Ready,
    /// The host could not bring it up.
    Failed,
}

/// What is lent to every client, but for the address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) mtu: u16,
    pub(crate) keepalive: u16,
    pub(crate) version: (u16, u16, u16),
}

impl Terms {
    pub(crate) fn of(&self, address: Ipv6Addr) -> LeaseTerms {
        LeaseTerms { address, mtu: self.mtu, keepalive: self.keepalive, server_version: self.version }
    }
}

/// A client: its session, its stay and its lease.
pub(crate) struct Peer {
    pub(crate) entry: ClientEntry,
    pub(crate) ends: Ends,
    pub(crate) session: Option<Session>,
    /// Beside it, until one of them is proved to be the client's.
    pub(crate) provisional: Vec<Provisional>,
    pub(crate) endpoint: Endpoint,
    pub(crate) responder: Responder,
    pub(crate) latest_handshake: Option<Instant>,
    /// Where it was, after its stay or before this server's start.
    pub(crate) remembered: Option<SocketAddr>,
    /// While it is called back.
    pub(crate) revival: Option<Revival>,
    /// What the path to it carries.
    pub(crate) path: PeerPath,
    /// When it may have its reachability tested again.
    pub(crate) next_inbound_test: Option<Instant>,
    /// While the client is here.
    told: Option<Told>,
    lease: Lease,
    rx_bytes: u64,
    tx_bytes: u64,
    /// The batch was full before the engine's queue was empty.
    has_queued: bool,
}

/// What was told about a client's whereabouts.
struct Told {
    address: SocketAddr,
    moved_at: Option<Instant>,
}

/// A lease's state on the host, and the packets that wait for it.
struct Lease {
    state: LeaseState,
    /// When the host was asked last, or failed.
    since: Option<Instant>,
    held: Vec<Vec<u8>>,
}

impl Peer {
    pub(crate) fn new(entry: ClientEntry) -> Self {
        let ends = Ends { ours: SERVER_LINK_LOCAL, theirs: client_link_local(&entry.public_key) };
        Self {
            entry,
            ends,
            session: None,
            provisional: Vec::new(),
            endpoint: Endpoint::default(),
            responder: Responder::default(),
            latest_handshake: None,
            remembered: None,
            revival: None,
            path: PeerPath::default(),
            next_inbound_test: None,
            told: None,
            lease: Lease { state: LeaseState::Unused, since: None, held: Vec::new() },
            rx_bytes: 0,
            tx_bytes: 0,
            has_queued: false,
        }
    }

    pub(crate) fn status(&self, now: Instant) -> PeerStatus {
        PeerStatus {
            name: self.entry.name.clone(),
            public_key: self.entry.public_key,
            address: self.entry.address,
            endpoint: self.endpoint.address().filter(|_| self.told.is_some()),
            latest_handshake: self.latest_handshake.map(|at| now.saturating_duration_since(at)),
            rx_bytes: self.rx_bytes,
            tx_bytes: self.tx_bytes,
            lease: self.lease.state,
            mtu: self.path.mtu(),
            speaks_control: self.responder.speaks(),
        }
    }

    /// Whom a session of its is with.
    pub(crate) fn with(&self) -> session::Peer<'_> {
        session::Peer {
            public_key: &self.entry.public_key,
            preshared_key: self.entry.preshared_key.as_ref(),
            keepalive: None,
        }
    }

    /// The session of that receiver index, and whether it is a provisional one.
    pub(crate) fn session_of(&mut self, receiver: u32) -> Option<(&mut Session, bool)> {
        let is_it = |session: &Session| session.index() == receiver >> 8;
        if let Some(one) = self.provisional.iter_mut().find(|one| is_it(&one.session)) {
            return Some((&mut one.session, true));
        }
        self.session.as_mut().map(|session| (session, false))
    }

    /// Notes where it was when it was last heard from: it is expected there.
    pub(crate) fn remember(&mut self, endpoint: SocketAddr) {
        self.remembered = Some(endpoint);
        self.endpoint.set(endpoint);
    }

    /// Forgets where it was: it is not expected anywhere.
    pub(crate) fn forget(&mut self) {
        self.endpoint = Endpoint::default();
        self.remembered = None;
        self.revival = None;
    }

    /// Whether it has a session and was heard in it.
    pub(crate) fn is_alive(&self) -> bool {
        self.told.is_some() && self.session.as_ref().is_some_and(Session::has_keys)
    }

    /// Begins a handshake, whatever is in progress.
    pub(crate) fn begin_handshake(&mut self, to_network: &mut DatagramBatch) -> Result<(), SessionError> {
        let session = self.session.as_mut().ok_or(SessionError::Dropped(DropReason::NoSession))?;
        let slot = to_network.slot().ok_or(SessionError::Dropped(DropReason::BatchFull))?;
        let len = session.initiate(true, slot)?.unwrap_or(0);
        self.commit_to_endpoint(to_network, len).map_err(SessionError::Dropped)
    }

    pub(crate) fn lease_state(&self) -> LeaseState {
        self.lease.state
    }

    /// Counts an authenticated datagram.
    pub(crate) fn received(&mut self, len: usize) {
        self.rx_bytes = self.rx_bytes.saturating_add(len as u64);
    }

    /// Tells where the client is, when it comes and when it has moved. Whoever moves to and fro
    /// must not crowd out what is told of others.
    pub(crate) fn seen(&mut self, record: &mut Record<ServerEvent>, now: Instant) {
        let Some(address) = self.endpoint.address() else { return };
        let client = self.entry.public_key;
        let Some(told) = &mut self.told else {
            self.told = Some(Told { address, moved_at: None });
            let name = self.entry.name.clone();
            record.tell(ServerEvent::ClientConnected { name, client, endpoint: address });
            return;
        };
        let is_soon = told.moved_at.is_some_and(|at| now.saturating_duration_since(at) < MOVE_INTERVAL);
        if told.address != address && !is_soon {
            told.moved_at = Some(now);
            let from = std::mem::replace(&mut told.address, address);
            let name = self.entry.name.clone();
            record.tell(ServerEvent::ClientMoved { name, client, from, to: address });
        }
    }

    /// Whether it can be told now of an address that it may use.
    pub(crate) fn can_be_told(&self) -> bool {
        self.lease.state == LeaseState::Ready
            && self.endpoint.address().is_some()
            && self.session.as_ref().is_some_and(Session::has_keys)
    }

    /// Gives up what is held for the lease, and gives its number.
    pub(crate) fn drop_held(&mut self) -> usize {
        std::mem::take(&mut self.lease.held).len()
    }

    /// The client's address is another from here on: one that the host carries already, if it carried the one
    /// before.
    pub(crate) fn lease_moved(&mut self) {
        self.responder.lease_moved();
        if self.lease.state != LeaseState::Ready {
            self.lease.state = LeaseState::Unused;
            self.lease.since = None;
        }
    }

    /// Forgets everything about the client's stay; its lease stays.
    pub(crate) fn leave(&mut self, record: &mut Record<ServerEvent>) {
        self.remembered = self.endpoint.address().or(self.remembered);
        self.endpoint = self.remembered.map_or_else(Endpoint::default, Endpoint::at);
        self.responder = Responder::default();
        self.path = PeerPath::default();
        record.count_all(DropReason::LeasePending, self.drop_held());
        self.has_queued = false;
        if self.told.take().is_some() {
            let (name, client) = (self.entry.name.clone(), self.entry.public_key);
            record.tell(ServerEvent::ClientLeft { name, client });
        }
    }

    /// Asks the host for the lease, unless it carries it or was asked a short while ago.
    pub(crate) fn need_lease(&mut self, record: &mut Record<ServerEvent>, now: Instant) {
        let has_waited =
            self.lease.since.is_none_or(|since| now.saturating_duration_since(since) >= LEASE_RETRY);
        if self.lease.state == LeaseState::Ready || !has_waited {
            return;
        }
        self.lease.state = LeaseState::Pending;
        self.lease.since = Some(now);
        record.tell(ServerEvent::LeaseNeeded {
            client: self.entry.public_key,
            name: self.entry.name.clone(),
            address: self.entry.address,
        });
    }

    /// Keeps a packet until the host carries the lease.
    pub(crate) fn hold(&mut self, packet: &[u8]) -> Result<(), DropReason> {
        if self.lease.held.len() >= MAX_HELD_PACKETS {
            return Err(DropReason::LeasePending);
        }
        self.lease.held.push(packet.to_vec());
        Ok(())
    }

    /// Gives the packets that were held.
    pub(crate) fn lease_ready(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.lease.state = LeaseState::Ready;
        self.lease.since = Some(now);
        std::mem::take(&mut self.lease.held)
    }

    /// Gives the number of packets that were held, and are not any more.
    pub(crate) fn lease_failed(&mut self, now: Instant) -> usize {
        self.lease.state = LeaseState::Failed;
        self.lease.since = Some(now);
        self.drop_held()
    }

    /// Encrypts and sends, or leaves the packet to wait for a session.
    pub(crate) fn send(&mut self, packet: &[u8], to_network: &mut DatagramBatch) -> Result<(), SessionError> {
        let endpoint = self.endpoint.address().ok_or(SessionError::Dropped(DropReason::NoEndpoint))?;
        let session = self.session.as_mut().ok_or(SessionError::Dropped(DropReason::NoSession))?;
        let slot = to_network.slot().ok_or(SessionError::Dropped(DropReason::BatchFull))?;
        if let Some(len) = session.send(packet, slot)? {
            self.commit(to_network, len, endpoint);
        }
        Ok(())
    }

    /// Sends a control message, if there are keys to send it with.
    pub(crate) fn send_control(
        &mut self,
        envelope: &Envelope,
        to_network: &mut DatagramBatch,
    ) -> Result<(), SessionError> {
        if !self.session.as_ref().is_some_and(Session::has_keys) {
            return Err(SessionError::Dropped(DropReason::NoSession));
        }
        let mut buffer = ControlBuffer::new();
        match buffer.write(self.ends, envelope) {
            Some(packet) => self.send(packet, to_network),
            None => Err(SessionError::Dropped(DropReason::ControlMalformed)),
        }
    }

    /// Answers a probe by a packet as long as it was.
    pub(crate) fn answer_probe(
        &mut self,
        request_id: u32,
        len: usize,
        to_network: &mut DatagramBatch,
    ) -> Result<(), SessionError> {
        let first = to_network.len();
        let reply = Envelope { request_id, message: Message::ProbeReply };
        let mut buffer = ControlBuffer::new();
        let sent = match buffer.write_long(self.ends, &reply, len) {
            Some(packet) => self.send(packet, to_network),
            None => Err(SessionError::Dropped(DropReason::ControlMalformed)),
        };
        to_network.keep_whole(first);
        sent
    }

    /// Whether packets still wait although there is a session.
    pub(crate) fn has_queued(&self) -> bool {
        self.has_queued
    }

    /// Sends what waited for a session, as far as the batch goes.
    pub(crate) fn send_queued(&mut self, to_network: &mut DatagramBatch) -> Result<(), SessionError> {
        self.has_queued = false;
        for _ in 0..MAX_QUEUED_PACKETS {
            let Some(session) = self.session.as_mut() else { return Ok(()) };
            let Some(slot) = to_network.slot() else {
                self.has_queued = true;
                return Ok(());
            };
            let Some(len) = session.send_queued(slot)? else { return Ok(()) };
            self.commit_to_endpoint(to_network, len).map_err(SessionError::Dropped)?;
        }
        Ok(())
    }

    /// Sends the first `len` bytes of the free slot to where the client is.
    pub(crate) fn commit_to_endpoint(
        &mut self,
        to_network: &mut DatagramBatch,
        len: usize,
    ) -> Result<(), DropReason> {
        let endpoint = self.endpoint.address().ok_or(DropReason::NoEndpoint)?;
        self.commit(to_network, len, endpoint);
        Ok(())
    }

    /// Sends the first `len` bytes of the free slot, if any.
    pub(crate) fn commit(&mut self, to_network: &mut DatagramBatch, len: usize, to: SocketAddr) {
        if len > 0 {
            let first = to_network.len();
            to_network.commit(len, to);
            if self.path.mtu().is_some() {
                to_network.keep_whole(first);
            }
            self.tx_bytes = self.tx_bytes.saturating_add(len as u64);
        }
    }
}
