//! A path with a character: a UDP relay that treats datagrams as the simulator's network does, in real time.
//!
//! ```text
//!   client ──▶ door ──▶ ┐                              ┌ ──▶ way 1 ──▶ server
//!                       ├──▶ one network each way ──▶ ─┤
//!   server ──▶ way 1 ─▶ ┘   (delay, loss, …, a seed)   └ ──▶ door ──▶ client
//! ```
//!
//! Whoever sends to the door gets a way of its own, a socket that the server sees it at. A path that rebinds gives
//! everybody another way every so often, as a translator of addresses does that has forgotten the flow: what still comes
//! to the former one is lost.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use v6tun_sim::{Conditions, Network};

use super::Namespace;

/// How many clients it relays at the same time: the senders of one test.
const MAX_WAYS: usize = 128;
/// How many datagrams wait to be looked at: what is more is lost, as in a router that is overrun.
const MAX_WAITING: usize = 1024;
/// Larger than any UDP payload.
const BUFFER: usize = 1 << 16;
/// How soon a thread that hears nothing sees that the relay has ended.
const PATIENCE: Duration = Duration::from_millis(50);

/// What the relay is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    /// Each way.
    pub conditions: Conditions,
    /// How often everybody gets another way.
    pub rebinding: Option<Duration>,
    /// Decides all accidents.
    pub seed: u64,
}

impl Path {
    /// A path that only takes time.
    #[must_use]
    pub fn of_delay(delay: Duration) -> Self {
        Self { conditions: Conditions { delay, ..Conditions::default() }, ..Self::default() }
    }
}

/// The relay, until it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Where a datagram came in.
#[derive(Clone, Copy)]
enum Entrance {
    Door,
    Way,
}

/// A datagram that came in, and the client whose it is.
struct Arrived {
    entrance: Entrance,
    client: SocketAddr,
    bytes: Vec<u8>,
}

/// What every thread needs.
#[derive(Clone)]
struct Parts {
    host: Namespace,
    door: Arc<UdpSocket>,
    arrived: SyncSender<Arrived>,
    over: Arc<AtomicBool>,
}

/// A client's socket towards the server.
struct Way {
    socket: Arc<UdpSocket>,
    over: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

/// The one that holds and sends.
struct Driver {
    parts: Parts,
    server: SocketAddr,
    path: Path,
    ways: HashMap<SocketAddr, Way>,
    /// The readers of ways that have been given up.
    former: Vec<JoinHandle<()>>,
    to_server: Network,
    to_clients: Network,
    begin: Instant,
    next_rebinding: Option<Instant>,
}

impl Relay {
    /// Opens a door at `address` of `host`, and takes what enters to `server`, and back, as the path is.
    ///
    /// # Errors
    /// The address is not `host`'s, or taken.
    pub fn start(host: &Namespace, address: SocketAddr, server: SocketAddr, path: Path) -> Result<Self> {
        let door = Arc::new(open(host, address)?);
        let address = door.local_addr().context("the relay's address")?;
        let over = Arc::new(AtomicBool::new(false));
        let (arrived, waiting) = sync_channel(MAX_WAITING);
        let parts = Parts { host: host.clone(), door, arrived, over: Arc::clone(&over) };
        let driver = Driver::new(parts.clone(), server, path);
        let reader = thread::spawn(move || parts.read_door());
        let driver = thread::spawn(move || driver.run(&waiting));
        Ok(Self { address, over, threads: vec![reader, driver] })
    }

    /// Where its door is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Parts {
    fn read_door(&self) {
        read(&self.door, &self.over, |bytes, client| self.take(Entrance::Door, client, bytes));
    }

    /// A relay that is overrun drops, as routers do.
    fn take(&self, entrance: Entrance, client: SocketAddr, bytes: Vec<u8>) {
        let _ = self.arrived.try_send(Arrived { entrance, client, bytes });
    }

    fn new_way(&self, client: SocketAddr) -> Option<Way> {
        let any = SocketAddr::new(self.door.local_addr().ok()?.ip(), 0);
        let socket = Arc::new(open(&self.host, any).ok()?);
        let over = Arc::new(AtomicBool::new(false));
        let (parts, its_socket, its_end) = (self.clone(), Arc::clone(&socket), Arc::clone(&over));
        let reader = thread::spawn(move || {
            read(&its_socket, &its_end, |bytes, _| parts.take(Entrance::Way, client, bytes));
        });
        Some(Way { socket, over, reader })
    }
}

impl Driver {
    fn new(parts: Parts, server: SocketAddr, path: Path) -> Self {
        let begin = Instant::now();
        Self {
            parts,
            server,
            path,
            ways: HashMap::new(),
            former: Vec::new(),
            to_server: Network::new(path.conditions, path.seed),
            to_clients: Network::new(path.conditions, path.seed ^ 1),
            begin,
            next_rebinding: path.rebinding.map(|every| begin + every),
        }
    }

    fn run(mut self, waiting: &Receiver<Arrived>) {
        while !self.parts.over.load(Ordering::Relaxed) {
            match waiting.recv_timeout(self.wait()) {
                Ok(first) => {
                    self.accept(first);
                    waiting.try_iter().take(MAX_WAITING).for_each(|more| self.accept(more));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.deliver();
            self.rebind();
        }
        for reader in self.former.into_iter().chain(self.ways.into_values().map(Way::close)) {
            // A thread that panicked has said so.
            let _ = reader.join();
        }
    }

    /// Until the next datagram is due.
    fn wait(&self) -> Duration {
        let next = [&self.to_server, &self.to_clients].into_iter().filter_map(Network::next_arrival).min();
        next.map_or(PATIENCE, |next| next.saturating_sub(self.begin.elapsed()).min(PATIENCE))
    }

    fn accept(&mut self, Arrived { entrance, client, bytes }: Arrived) {
        let now = self.begin.elapsed();
        match entrance {
            Entrance::Door => self.to_server.send(now, client, self.server, &bytes),
            Entrance::Way => self.to_clients.send(now, self.server, client, &bytes),
        }
    }

    /// What cannot be sent is lost on the way.
    fn deliver(&mut self) {
        let now = self.begin.elapsed();
        while let Some(datagram) = self.to_server.receive(now) {
            if let Some(way) = self.way(datagram.from) {
                let _ = way.send_to(&datagram.bytes, datagram.to);
            }
        }
        while let Some(datagram) = self.to_clients.receive(now) {
            let _ = self.parts.door.send_to(&datagram.bytes, datagram.to);
        }
    }

    fn way(&mut self, client: SocketAddr) -> Option<&UdpSocket> {
        if !self.ways.contains_key(&client) && self.ways.len() < MAX_WAYS {
            self.ways.insert(client, self.parts.new_way(client)?);
        }
        self.ways.get(&client).map(|way| &*way.socket)
    }

    fn rebind(&mut self) {
        let (Some(every), Some(next)) = (self.path.rebinding, self.next_rebinding) else { return };
        if Instant::now() >= next {
            self.next_rebinding = Some(next + every);
            self.former.extend(self.ways.drain().map(|(_, way)| way.close()));
        }
    }
}

impl Way {
    /// Gives the reader, which ends soon.
    fn close(self) -> JoinHandle<()> {
        self.over.store(true, Ordering::Relaxed);
        self.reader
    }
}

/// Hands over what comes, until that is over.
fn read(socket: &UdpSocket, over: &AtomicBool, take: impl Fn(Vec<u8>, SocketAddr)) {
    let mut buffer = vec![0; BUFFER];
    while !over.load(Ordering::Relaxed) {
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => take(buffer[..len].to_vec(), from),
            // Nobody listens at the other end: its sender finds out by itself.
            Err(error) if is_passing(&error) => {}
            Err(_) => return,
        }
    }
}

fn open(host: &Namespace, address: SocketAddr) -> Result<UdpSocket> {
    let open = || UdpSocket::bind(address).with_context(|| format!("a relay at {address}"));
    let socket = host.enter(open)?;
    socket.set_read_timeout(Some(PATIENCE)).context("a relay's patience")?;
    Ok(socket)
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused
    )
}
