//! One end of the tunnel and its batches, driven by `v6tun_host::data_path` in a thread of its own.
//!
//! That thread owns the [`Tunnel`]. What is slow (netlink, files, the control socket) runs on the main thread
//! and speaks with it over two bounded channels: orders in, events out.

use anyhow::{Context, Result, anyhow};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use v6tun_host::data_path::{DataPath, Engine, Loss, OutgoingDatagram, Received, Waker};
use v6tun_host::tun::Tun;
use v6tun_host::udp::UdpSocket;
use v6tun_proto::packet::Ecn;
use v6tun_proto::{DatagramBatch, Outputs, PacketBatch, Tunnel};

/// Orders that wait for the data path at most. It takes all of them at each wake-up; a full channel means that
/// the thread is stuck, and then more orders would not help.
const ORDERS: usize = 256;
/// Events that wait for the main thread at most: a burst of connecting clients. More stay in the tunnel, which
/// has a bound of its own.
const EVENTS: usize = 256;

/// What the tunnel and the data path counted.
#[derive(Clone, Debug)]
pub struct Figures<S> {
    /// The tunnel's.
    pub tunnel: S,
    /// Dropped packets and datagrams by reason; a reason that never occurred is left out.
    pub drops: BTreeMap<String, u64>,
}

/// An input that the main thread gives to the tunnel.
type Input<T> = Box<dyn FnOnce(&mut T, &mut Outputs<'_>, Instant) + Send>;

enum Order<T: Tunnel> {
    Tunnel(Input<T>),
    Figures(oneshot::Sender<Figures<T::Status>>),
    Stop,
    FallSilent,
}

/// The main thread's handle of the running data path.
#[derive(Debug)]
pub struct EventLoop<T: Tunnel> {
    orders: SyncSender<Order<T>>,
    waker: Waker,
    thread: JoinHandle<std::io::Result<Tun>>,
}

impl<T> EventLoop<T>
where
    T: Tunnel + Send + 'static,
    T::Event: Send + 'static,
    T::Status: Send + 'static,
{
    /// Starts the thread `v6tun-data`; the events come out of the returned channel, which closes when the thread
    /// ends.
    ///
    /// # Errors
    /// When the kernel has no thread or descriptor left.
    pub fn start(tunnel: T, tun: Tun, socket: UdpSocket) -> Result<(Self, mpsc::Receiver<T::Event>)> {
        let (orders, waiting) = sync_channel(ORDERS);
        let (events, receiver) = mpsc::channel(EVENTS);
        let engine = TunnelEngine {
            tunnel,
            datagrams: DatagramBatch::new(),
            packets: PacketBatch::new(),
            orders: waiting,
            events,
            losses: [0; Loss::ALL.len()],
        };
        let path = DataPath::new(engine, tun, socket).context("cannot start the data path")?;
        let waker = path.waker();
        let thread = std::thread::Builder::new()
            .name("v6tun-data".to_owned())
            .spawn(move || path.run().map(|(_, tun)| tun))
            .context("cannot start the data path's thread")?;
        Ok((Self { orders, waker, thread }, receiver))
    }

    /// Gives the tunnel an input of the main thread's.
    ///
    /// # Errors
    /// When the data path has ended or does not take orders.
    pub fn order(
        &self,
        order: impl FnOnce(&mut T, &mut Outputs<'_>, Instant) + Send + 'static,
    ) -> Result<()> {
        self.send(Order::Tunnel(Box::new(order)))
    }

    /// The figures as they are.
    ///
    /// # Errors
    /// As [`order`](Self::order).
    pub async fn figures(&self) -> Result<Figures<T::Status>> {
        let (reply, figures) = oneshot::channel();
        self.send(Order::Figures(reply))?;
        figures.await.context("the data path ended before it answered")
    }

    /// Lets the tunnel take its leave, stops the thread and gives the tun back, which stays until it is dropped.
    /// A thread that has ended by itself is only joined.
    ///
    /// # Errors
    /// Why the thread ended by itself.
    pub async fn stop(self) -> Result<Tun> {
        self.end(Order::Stop).await
    }

    /// As [`stop`](Self::stop), but the tunnel takes no leave: another process goes on.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    pub async fn fall_silent(self) -> Result<Tun> {
        self.end(Order::FallSilent).await
    }

    async fn end(self, order: Order<T>) -> Result<Tun> {
        // A failure says that the thread has ended already, and the join tells why.
        let _ended = self.orders.send(order);
        self.waker.wake();
        let join = tokio::task::spawn_blocking(move || self.thread.join());
        let ended = join.await.context("cannot wait for the data path")?;
        Ok(ended.map_err(|_| anyhow!("the data path's thread panicked"))??)
    }

    fn send(&self, order: Order<T>) -> Result<()> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => anyhow!("the data path takes no orders: {ORDERS} are waiting"),
            TrySendError::Disconnected(_) => anyhow!("the data path has ended"),
        })?;
        self.waker.wake();
        Ok(())
    }
}

/// The tunnel as the data path drives it.
struct TunnelEngine<T: Tunnel> {
    tunnel: T,
    datagrams: DatagramBatch,
    packets: PacketBatch,
    orders: Receiver<Order<T>>,
    events: mpsc::Sender<T::Event>,
    losses: [u64; Loss::ALL.len()],
}

impl<T: Tunnel> TunnelEngine<T> {
    fn with_outputs(&mut self, input: impl FnOnce(&mut T, &mut Outputs<'_>)) {
        let mut out = Outputs { to_network: &mut self.datagrams, to_tun: &mut self.packets };
        input(&mut self.tunnel, &mut out);
    }

    fn carry_out(&mut self, order: Order<T>, now: Instant) -> ControlFlow<()> {
        match order {
            Order::Tunnel(order) => self.with_outputs(|tunnel, out| order(tunnel, out, now)),
            Order::Figures(reply) => {
                // Whoever asked may have gone: then nobody misses the answer.
                let _unasked = reply.send(self.figures(now));
            }
            Order::Stop => {
                self.with_outputs(|tunnel, out| tunnel.handle_stop(out, now));
                return ControlFlow::Break(());
            }
            Order::FallSilent => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn figures(&self, now: Instant) -> Figures<T::Status> {
        let mut drops = BTreeMap::new();
        let tunnel = self.tunnel.stats().drops().map(|(reason, count)| (reason.as_str(), count));
        let path = Loss::ALL.iter().map(|loss| loss.as_str()).zip(self.losses);
        for (reason, count) in tunnel.chain(path).filter(|(_, count)| *count > 0) {
            *drops.entry(reason.to_owned()).or_default() += count;
        }
        Figures { tunnel: self.tunnel.status(now), drops }
    }

    fn tell_events(&mut self) {
        while let Ok(room) = self.events.try_reserve() {
            match self.tunnel.poll_event() {
                Some(event) => room.send(event),
                None => break,
            }
        }
    }
}

impl<T: Tunnel> Engine for TunnelEngine<T> {
    fn handle_datagram(&mut self, received: Received<'_>, now: Instant) {
        let Received { source, datagram, ecn } = received;
        let ecn = Ecn::from_bits(ecn);
        self.with_outputs(|tunnel, out| tunnel.handle_datagram(source, datagram, ecn, out, now));
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
            ecn: span.ecn.to_bits(),
            may_be_fragmented: span.may_be_fragmented,
        });
        (self.datagrams.bytes(), spans)
    }

    fn packets(&self) -> impl Iterator<Item = &[u8]> + '_ {
        self.packets.iter()
    }

    /// Once a batch, when all packets are on their way, the events are told too.
    fn clear_outputs(&mut self) {
        self.datagrams.clear();
        self.packets.clear();
        self.tell_events();
    }

    fn handle_loss(&mut self, loss: Loss, count: u64) {
        let counted = Loss::ALL.iter().position(|one| *one == loss);
        if let Some(counter) = counted.and_then(|place| self.losses.get_mut(place)) {
            *counter = counter.saturating_add(count);
        }
    }
}
