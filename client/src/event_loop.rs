//! The data path's side of the client: the tunnel and its batches, driven by `v6tun_host::data_path`.
//!
//! One thread owns the [`ClientTunnel`]. What is slow (netlink, files, the control socket) runs on the main thread
//! and speaks with this one over two bounded channels: [`Order`]s in, [`ClientEvent`]s out.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    ops::ControlFlow,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
    time::Instant,
};

use anyhow::{Context, Result, anyhow};
use tokio::sync::{mpsc, oneshot};
use v6tun_host::{
    data_path::{DataPath, Engine, Loss, OutgoingDatagram, Waker},
    tun::Tun,
    udp::UdpSocket,
};
use v6tun_proto::{ClientEvent, ClientTunnel, ClientTunnelStatus, DatagramBatch, Outputs, PacketBatch};

/// Orders that wait for the data path at most. It takes all of them at each wake-up.
const ORDERS: usize = 32;
/// Events that wait for the main thread at most; more stay in the tunnel, which has its own bound.
const EVENTS: usize = 64;

/// What the main thread asks of the data path.
#[derive(Debug)]
pub(crate) enum Order {
    /// The server's name has another address now.
    SetEndpoint(SocketAddr),
    /// Tell the figures.
    Figures(oneshot::Sender<Figures>),
    /// Say bye to the server, and end.
    Stop,
}

/// What the tunnel and the data path counted.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) tunnel: ClientTunnelStatus,
    /// Dropped packets and datagrams by reason, those that happened.
    pub(crate) drops: BTreeMap<String, u64>,
}

/// The main thread's handle of the running data path.
#[derive(Debug)]
pub(crate) struct EventLoop {
    orders: SyncSender<Order>,
    waker: Waker,
    thread: JoinHandle<std::io::Result<Tun>>,
}

impl EventLoop {
    /// Starts the thread `v6tun-data`; the events come out of the returned channel, which closes when the thread
    /// ends.
    pub(crate) fn start(
        tunnel: ClientTunnel,
        tun: Tun,
        socket: UdpSocket,
    ) -> Result<(Self, mpsc::Receiver<ClientEvent>)> {
        let (orders, waiting) = sync_channel(ORDERS);
        let (events, receiver) = mpsc::channel(EVENTS);
        let path = DataPath::new(ClientEngine::new(tunnel, waiting, events), tun, socket)
            .context("cannot start the data path")?;
        let waker = path.waker();
        let thread = std::thread::Builder::new()
            .name("v6tun-data".to_owned())
            .spawn(move || path.run().map(|(_, tun)| tun))
            .context("cannot start the data path's thread")?;
        Ok((Self { orders, waker, thread }, receiver))
    }

    /// Hands an order over.
    ///
    /// # Errors
    /// When the data path has ended or does not take orders.
    pub(crate) fn order(&self, order: Order) -> Result<()> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => anyhow!("the data path takes no orders: {ORDERS} are waiting"),
            TrySendError::Disconnected(_) => anyhow!("the data path has ended"),
        })?;
        self.waker.wake();
        Ok(())
    }

    /// The figures as they are.
    pub(crate) async fn figures(&self) -> Result<Figures> {
        let (reply, figures) = oneshot::channel();
        self.order(Order::Figures(reply))?;
        figures.await.context("the data path ended before it answered")
    }

    /// Stops the thread and gives the tun back, which stays until it is dropped. A thread that has ended by itself
    /// is only joined.
    pub(crate) async fn stop(self) -> Result<Tun> {
        // A failure says that the thread has ended already; the join tells why.
        let _ended = self.order(Order::Stop);
        let join = tokio::task::spawn_blocking(move || self.thread.join());
        let ended = join.await.context("cannot wait for the data path")?;
        Ok(ended.map_err(|_| anyhow!("the data path's thread panicked"))??)
    }
}

/// The tunnel as the data path drives it.
struct ClientEngine {
    tunnel: ClientTunnel,
    datagrams: DatagramBatch,
    packets: PacketBatch,
    orders: Receiver<Order>,
    events: mpsc::Sender<ClientEvent>,
    losses: [u64; Loss::ALL.len()],
}

impl ClientEngine {
    fn new(tunnel: ClientTunnel, orders: Receiver<Order>, events: mpsc::Sender<ClientEvent>) -> Self {
        Self {
            tunnel,
            datagrams: DatagramBatch::new(),
            packets: PacketBatch::new(),
            orders,
            events,
            losses: [0; Loss::ALL.len()],
        }
    }

    fn with_outputs(&mut self, input: impl FnOnce(&mut ClientTunnel, &mut Outputs<'_>)) {
        let mut out = Outputs { to_network: &mut self.datagrams, to_tun: &mut self.packets };
        input(&mut self.tunnel, &mut out);
    }

    fn carry_out(&mut self, order: Order, now: Instant) -> ControlFlow<()> {
        match order {
            Order::SetEndpoint(endpoint) => self.tunnel.set_endpoint(endpoint, now),
            Order::Figures(reply) => {
                // Whoever asked may have gone: then nobody misses the answer.
                let _unasked = reply.send(self.figures(now));
            }
            Order::Stop => {
                self.with_outputs(|tunnel, out| tunnel.handle_stop(out, now));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn figures(&self, now: Instant) -> Figures {
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

impl Engine for ClientEngine {
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
