//! The data path's side of the server: the tunnel and its batches, driven by `v6tun_host::data_path`.
//!
//! One thread owns the [`ServerTunnel`]. What is slow (netlink, files, the control socket) runs on the
//! main thread and speaks with this one over two bounded channels: [`Order`]s in, [`ServerEvent`]s out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use tokio::sync::{mpsc, oneshot};
use v6tun_host::data_path::{DataPath, Engine, Loss, OutgoingDatagram, Waker};
use v6tun_host::tun::Tun;
use v6tun_host::udp::UdpSocket;
use v6tun_keys::PublicKey;
use v6tun_proto::{DatagramBatch, Outputs, PacketBatch, PeerStatus, ServerEvent, ServerTunnel};

/// Orders that wait for the data path at most. It drains them at each wake-up; a full channel means that
/// the thread is stuck, and then more orders would not help.
const ORDER_QUEUE: usize = 256;
/// Events that wait for the main thread at most: one burst of connecting clients. What does not fit is
/// dropped, and the tunnel asks again for a lease that it still needs.
const EVENT_QUEUE: usize = 1024;

/// What the main thread asks of the data path.
#[derive(Debug)]
pub(crate) enum Order {
    /// The host carries the client's lease.
    LeaseReady(PublicKey),
    /// The host could not be made to carry it.
    LeaseFailed(PublicKey),
    /// Tell the figures.
    Status(oneshot::Sender<Figures>),
    /// Say bye to the clients, and end.
    Stop,
}

/// What the tunnel counted.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) peers: Vec<PeerStatus>,
    /// Dropped packets and datagrams by reason, those that happened.
    pub(crate) drops: BTreeMap<&'static str, u64>,
}

/// The main thread's handle of the running data path.
pub(crate) struct EventLoop {
    orders: SyncSender<Order>,
    waker: Waker,
    thread: JoinHandle<std::io::Result<Tun>>,
}

impl EventLoop {
    /// Starts the thread `v6tun-data`; the events come out of the returned channel, which closes when
    /// the thread ends.
    pub(crate) fn start(
        tunnel: ServerTunnel,
        tun: Tun,
        socket: UdpSocket,
    ) -> Result<(Self, mpsc::Receiver<ServerEvent>)> {
        let (orders, waiting) = sync_channel(ORDER_QUEUE);
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let engine = ServerEngine {
            tunnel,
            datagrams: DatagramBatch::new(),
            packets: PacketBatch::new(),
            orders: waiting,
            events,
            losses: BTreeMap::new(),
        };
        let path = DataPath::new(engine, tun, socket).context("start the data path")?;
        let waker = path.waker();
        let thread = std::thread::Builder::new()
            .name("v6tun-data".to_owned())
            .spawn(move || path.run().map(|(_, tun)| tun))
            .context("start the data path's thread")?;
        Ok((Self { orders, waker, thread }, receiver))
    }

    /// Hands an order over.
    ///
    /// # Errors
    /// When the data path has ended or does not take orders.
    pub(crate) fn order(&self, order: Order) -> Result<()> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => anyhow!("the data path does not take orders: {ORDER_QUEUE} are waiting"),
            TrySendError::Disconnected(_) => anyhow!("the data path has ended"),
        })?;
        self.waker.wake();
        Ok(())
    }

    /// The tunnel's figures as they are.
    pub(crate) async fn figures(&self) -> Result<Figures> {
        let (reply, figures) = oneshot::channel();
        self.order(Order::Status(reply))?;
        figures.await.context("the data path ended before it answered")
    }

    /// Stops the thread and gives the tun back, which stays until it is dropped. A thread that has
    /// already ended is only joined.
    pub(crate) async fn stop(self) -> Result<Tun> {
        // An error here says that the thread has ended by itself: the join below tells why.
        let _ended = self.order(Order::Stop);
        let join = tokio::task::spawn_blocking(move || self.thread.join());
        let ended = join.await.context("wait for the data path")?;
        let tun = ended.map_err(|_| anyhow!("the data path's thread panicked"))?;
        tun.context("the data path")
    }
}

struct ServerEngine {
    tunnel: ServerTunnel,
    datagrams: DatagramBatch,
    packets: PacketBatch,
    orders: Receiver<Order>,
    events: mpsc::Sender<ServerEvent>,
    /// What was lost outside the tunnel, by reason.
    losses: BTreeMap<&'static str, u64>,
}

impl ServerEngine {
    fn with_outputs(&mut self, input: impl FnOnce(&mut ServerTunnel, &mut Outputs<'_>)) {
        let mut out = Outputs { to_network: &mut self.datagrams, to_tun: &mut self.packets };
        input(&mut self.tunnel, &mut out);
        while let Some(event) = self.tunnel.poll_event() {
            // Bounded on purpose: see EVENT_QUEUE.
            if self.events.try_send(event).is_err() {
                count(&mut self.losses, "event-queue-full", 1);
            }
        }
    }

    fn carry_out(&mut self, order: Order, now: Instant) -> ControlFlow<()> {
        match order {
            Order::LeaseReady(client) => {
                self.with_outputs(|tunnel, out| tunnel.handle_lease_ready(client, out, now));
            }
            Order::LeaseFailed(client) => {
                self.with_outputs(|tunnel, out| tunnel.handle_lease_failed(client, out, now));
            }
            Order::Status(reply) => {
                let mut drops = self.losses.clone();
                for (reason, number) in self.tunnel.stats().drops() {
                    count(&mut drops, reason.as_str(), number);
                }
                let figures = Figures { peers: self.tunnel.status(now), drops };
                // Whoever asked may have gone: then nobody misses the answer.
                let _unasked = reply.send(figures);
            }
            Order::Stop => {
                self.with_outputs(|tunnel, out| tunnel.handle_stop(out, now));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

impl Engine for ServerEngine {
    fn handle_datagram(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) {
        self.with_outputs(|tunnel, out| tunnel.handle_datagram(source, datagram, out, now));
    }

    fn handle_packet(&mut self, packet: &[u8], now: Instant) {
        self.with_outputs(|tunnel, out| tunnel.handle_packet(packet, out, now));
    }

    fn handle_wakeup(&mut self, now: Instant) -> ControlFlow<()> {
        while let Ok(order) = self.orders.try_recv() {
            self.carry_out(order, now)?;
        }
        ControlFlow::Continue(())
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.with_outputs(|tunnel, out| tunnel.handle_timeout(out, now));
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.tunnel.next_deadline().map(|deadline| deadline.at)
    }

    fn datagrams(&self) -> (&[u8], impl Iterator<Item = OutgoingDatagram> + '_) {
        let spans = self.datagrams.spans().iter().map(|span| OutgoingDatagram {
            destination: span.destination,
            start: span.start,
            len: span.len,
        });
        (self.datagrams.bytes(), spans)
    }

    fn packets(&self) -> impl Iterator<Item = &[u8]> + '_ {
        self.packets.iter()
    }

    fn clear_outputs(&mut self) {
        self.datagrams.clear();
        self.packets.clear();
    }

    fn handle_loss(&mut self, loss: Loss, number: u64) {
        count(&mut self.losses, loss.as_str(), number);
    }
}

/// Adds to a reason's count; what never happened has no entry.
fn count(drops: &mut BTreeMap<&'static str, u64>, reason: &'static str, number: u64) {
    if number > 0 {
        let counter = drops.entry(reason).or_default();
        *counter = counter.saturating_add(number);
    }
}
