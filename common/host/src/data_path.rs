//! The data path: one thread that owns the tunnel and moves packets between the tun and the UDP socket.
//!
//! Each turn takes what waits, in this order and with these bounds, so that neither side starves the other:
//!
//! ```text
//! a due deadline → an order (wakeup) → one batch of datagrams → 64 packets from the tun, or a super-packet more
//! ```
//!
//! After each of them all outputs are sent. What waits in the tun is read at once and served flow by flow
//! ([`fair_queue`](crate::fair_queue)). Nothing is queued behind the tunnel: what the tun or the socket does not take
//! at once is dropped and counted, as a router with a full queue does.

mod readiness;

use std::{
    io,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use self::readiness::{Readiness, Waiting};
use crate::{
    fair_queue::FairQueue,
    limits::{TUN_BURST, TUN_PACKET_LEN, TUN_READS},
    offload::{Segments, TooLong, VirtioHeader},
    tun::Tun,
    udp::{ReceiveBuffers, UdpSocket},
};

pub use self::readiness::Waker;
pub use crate::udp::{OutgoingDatagram, Received};

/// What decides about packets and datagrams. Inputs come as calls of `handle_*`; outputs wait inside until the data
/// path takes them, after each batch of inputs.
pub trait Engine {
    /// A datagram from the network; IPv4 sources are never v4-mapped.
    fn handle_datagram(&mut self, received: Received<'_>, now: Instant);
    /// A packet that the kernel routed to the tun.
    fn handle_packet(&mut self, packet: &[u8], now: Instant);
    /// Orders may be waiting in the engine's own channel. `Break` sends the outputs and ends the run.
    fn handle_wakeup(&mut self, now: Instant) -> ControlFlow<()>;
    /// The deadline has passed.
    fn handle_timeout(&mut self, now: Instant);
    /// When [`handle_timeout`](Self::handle_timeout) is wanted next.
    fn next_deadline(&self) -> Option<Instant>;
    /// The bytes of the datagrams to send, and where in them each lies, in the order of sending.
    fn datagrams(&self) -> (&[u8], impl Iterator<Item = OutgoingDatagram> + '_);
    /// The packets for the tun, in order.
    fn packets(&self) -> impl Iterator<Item = &[u8]> + '_;
    /// All outputs have been taken.
    fn clear_outputs(&mut self);
    /// So many were lost here, for this reason.
    fn handle_loss(&mut self, loss: Loss, count: u64);
}

/// Why the data path lost a packet or a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Loss {
    /// The tun took no more at that moment.
    TunFull,
    /// The kernel refused the packet: the tun is down, or the packet is malformed.
    TunError,
    /// The socket took no more at that moment.
    SocketFull,
    /// The kernel refused the datagram: no route to its destination, or a firewall.
    SocketError,
    /// A packet from the tun was longer than any MTU that the tun is given.
    PacketTooLong,
    /// A datagram was longer than the kernel sends.
    DatagramTooLong,
    /// So many packets from the tun waited that there was no room for more.
    TunQueueFull,
    /// Packets of its flow had waited too long: its sender is to slow down.
    TunQueueDelay,
}

impl Loss {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::TunFull,
        Self::TunError,
        Self::SocketFull,
        Self::SocketError,
        Self::PacketTooLong,
        Self::DatagramTooLong,
        Self::TunQueueFull,
        Self::TunQueueDelay,
    ];

    /// The name in counters, in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TunFull => "tun-full",
            Self::TunError => "tun-error",
            Self::SocketFull => "socket-full",
            Self::SocketError => "socket-error",
            Self::PacketTooLong => "packet-too-long",
            Self::DatagramTooLong => "datagram-too-long",
            Self::TunQueueFull => "tun-queue-full",
            Self::TunQueueDelay => "tun-queue-delay",
        }
    }
}

/// The loop over tun, socket and orders.
#[derive(Debug)]
pub struct DataPath<E> {
    engine: E,
    tun: Tun,
    socket: UdpSocket,
    readiness: Readiness,
    waiting: Waiting,
    received: ReceiveBuffers,
    queue: FairQueue,
    packet: Box<[u8; TUN_PACKET_LEN]>,
}

impl<E: Engine> DataPath<E> {
    /// Prepares the loop; nothing moves before [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// When the kernel has no descriptor or memory left for the poll.
    pub fn new(engine: E, tun: Tun, socket: UdpSocket) -> io::Result<Self> {
        let readiness = Readiness::new(&tun, &socket)?;
        let (queue, packet) = (FairQueue::new(), Box::new([0; TUN_PACKET_LEN]));
        // What arrived before it was waited for is looked for once.
        let waiting = Waiting::ALL;
        Ok(Self { engine, tun, socket, readiness, waiting, received: ReceiveBuffers::new(), queue, packet })
    }

    /// A handle to wake the loop by.
    pub fn waker(&self) -> Waker {
        self.readiness.waker()
    }

    /// Moves packets until the engine ends it, and gives the engine and the tun back.
    ///
    /// # Errors
    ///
    /// When the tun is gone (somebody deleted it) or the poll fails.
    pub fn run(mut self) -> io::Result<(E, Tun)> {
        loop {
            self.wait()?;
            let now = Instant::now();
            if self.engine.next_deadline().is_some_and(|deadline| deadline <= now) {
                self.engine.handle_timeout(now);
                self.flush();
            }
            if std::mem::take(&mut self.waiting.orders) {
                let flow = self.engine.handle_wakeup(now);
                self.flush();
                if flow.is_break() {
                    return Ok((self.engine, self.tun));
                }
            }
            if self.waiting.socket {
                self.take_datagrams(now);
                self.flush();
            }
            if self.waiting.tun || !self.queue.is_empty() {
                self.take_packets(now)?;
                self.flush();
            }
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        let timeout = if self.waiting.any() || !self.queue.is_empty() {
            Some(Duration::ZERO)
        } else {
            self.engine.next_deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
        };
        self.readiness.wait(timeout, &mut self.waiting)
    }

    fn take_datagrams(&mut self, now: Instant) {
        match self.socket.receive_batch(&mut self.received) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.waiting.socket = false;
                return;
            }
            // What an ICMP error left on the socket; reading it has cleared it.
            Err(_) => {
                self.engine.handle_loss(Loss::SocketError, 1);
                return;
            }
        }
        for received in self.received.iter() {
            self.engine.handle_datagram(received, now);
        }
    }

    /// Reads all that waits in the tun, and gives the tunnel what has its turn.
    fn take_packets(&mut self, now: Instant) -> io::Result<()> {
        let (mut reads, mut taken) = (0, 0);
        while self.waiting.tun && reads < TUN_READS {
            reads += 1;
            match self.tun.read(self.queue.room()) {
                // A lone packet does not wait until it is certain that it is one.
                Ok(reading) if reads == 1 && self.queue.is_empty() => {
                    let mut sink =
                        Sink { engine: &mut self.engine, tun: &self.tun, socket: &mut self.socket };
                    let packet = self.queue.room().get_mut(reading.packet).unwrap_or_default();
                    taken += sink.take(reading.header, packet, false, &mut self.packet, now);
                    sink.flush();
                }
                Ok(reading) => {
                    let dropped = self.queue.push(reading.header, reading.packet, now);
                    if dropped > 0 {
                        self.engine.handle_loss(Loss::TunQueueFull, dropped);
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.waiting.tun = false,
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::InvalidData => self.engine.handle_loss(Loss::TunError, 1),
                    _ => return Err(self.explain_tun_failure(&error)),
                },
            }
        }
        let mut sink = Sink { engine: &mut self.engine, tun: &self.tun, socket: &mut self.socket };
        while taken < TUN_BURST
            && let Some(served) = self.queue.pop(now)
        {
            taken += sink.take(served.header, served.packet, served.loses_one, &mut self.packet, now);
        }
        Ok(())
    }

    fn explain_tun_failure(&self, error: &io::Error) -> io::Error {
        let name = self.tun.name();
        match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(error.kind(), format!("the tun device {name} is gone")),
            kind => io::Error::new(kind, format!("cannot read from the tun device {name}: {error}")),
        }
    }

    fn flush(&mut self) {
        Sink { engine: &mut self.engine, tun: &self.tun, socket: &mut self.socket }.flush();
    }
}

/// Where packets go.
struct Sink<'p, E> {
    engine: &'p mut E,
    tun: &'p Tun,
    socket: &'p mut UdpSocket,
}

impl<E: Engine> Sink<'_, E> {
    /// Gives the tunnel a packet, or all of a super-packet's, and returns how many they were.
    fn take(
        &mut self,
        header: VirtioHeader,
        packet: &mut [u8],
        loses_one: bool,
        room: &mut [u8; TUN_PACKET_LEN],
        now: Instant,
    ) -> usize {
        let Ok(mut packets) = Segments::new(header, packet) else {
            self.engine.handle_loss(Loss::TunError, 1);
            return 1;
        };
        let mut taken = 0;
        while let Some(packet) = packets.next(room.as_mut_slice()) {
            match packet {
                Ok(_) if loses_one && taken == 0 => self.engine.handle_loss(Loss::TunQueueDelay, 1),
                Ok(packet) => self.engine.handle_packet(packet, now),
                Err(TooLong) => self.engine.handle_loss(Loss::PacketTooLong, 1),
            }
            taken += 1;
            // What was read as one may be hundreds of small packets.
            if taken % TUN_BURST == 0 {
                self.flush();
            }
        }
        taken
    }

    /// Sends all outputs.
    fn flush(&mut self) {
        let (bytes, datagrams) = self.engine.datagrams();
        let sent = self.socket.send_batch(bytes, datagrams);
        let written = self.tun.write_batch(self.engine.packets());
        self.engine.clear_outputs();
        for (loss, count) in [
            (Loss::TunFull, written.full),
            (Loss::TunError, written.refused),
            (Loss::SocketFull, sent.full),
            (Loss::SocketError, sent.refused),
            (Loss::DatagramTooLong, sent.too_long),
        ] {
            if count > 0 {
                self.engine.handle_loss(loss, count);
            }
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
