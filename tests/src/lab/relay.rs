//! A path that takes time: a UDP relay that holds each datagram for a fixed delay, both ways.
//!
//! ```text
//!   client ──▶ door ──▶ reader ──▶ ┐               ┌ ──▶ way 1 ──▶ server
//!                                  ├─ held, FIFO ─▶│
//!   server ──▶ way 1 ──▶ reader ─▶ ┘   (writer)    └ ──▶ door ──▶ client
//! ```
//!
//! Whoever sends to the door gets a way of its own, a socket that the server sees it at. The delay is the same for
//! all, so the order in which datagrams are held is the order in which they are due.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::Namespace;

/// How many clients it relays at the same time: the senders of one test.
const MAX_WAYS: usize = 64;
/// How many datagrams are held at the same time: 10 ms of a gigabit of full-sized ones.
const MAX_HELD: usize = 1024;
/// Larger than any UDP payload.
const BUFFER: usize = 1 << 16;
/// How soon a reader that hears nothing sees that the relay has ended.
const PATIENCE: Duration = Duration::from_millis(50);

/// The relay, until it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// A datagram, where it leaves and when.
struct Held {
    due: Instant,
    datagram: Vec<u8>,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
}

/// What every thread needs.
#[derive(Clone)]
struct Parts {
    host: Namespace,
    door: Arc<UdpSocket>,
    server: SocketAddr,
    delay: Duration,
    held: SyncSender<Held>,
    over: Arc<AtomicBool>,
}

impl Relay {
    /// Opens a door at `address` of `host`, and takes everything that enters to `server`, and back, `delay` later.
    ///
    /// # Errors
    /// The address is not `host`'s, or taken.
    pub fn start(host: &Namespace, address: SocketAddr, server: SocketAddr, delay: Duration) -> Result<Self> {
        let door = Arc::new(open(host, address)?);
        let address = door.local_addr().context("the relay's address")?;
        let over = Arc::new(AtomicBool::new(false));
        let (held, due) = sync_channel(MAX_HELD);
        let parts = Parts { host: host.clone(), door, server, delay, held, over: Arc::clone(&over) };
        let writer = thread::spawn(move || write(&due));
        let reader = thread::spawn(move || parts.read_door());
        Ok(Self { address, over, threads: vec![reader, writer] })
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
    /// What comes to the door goes to the server, on the sender's own way.
    fn read_door(self) {
        let mut ways: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut readers = Vec::new();
        while let Some((datagram, from)) = self.next(&self.door) {
            if !ways.contains_key(&from) {
                let Some(way) = self.new_way(ways.len()) else { continue };
                ways.insert(from, Arc::clone(&way));
                let parts = self.clone();
                readers.push(thread::spawn(move || parts.read_way(&way, from)));
            }
            if let Some(way) = ways.get(&from) {
                self.hold(datagram, way, self.server);
            }
        }
        for reader in readers {
            let _ = reader.join();
        }
    }

    /// What comes back goes out by the door.
    fn read_way(&self, way: &UdpSocket, client: SocketAddr) {
        while let Some((datagram, _)) = self.next(way) {
            self.hold(datagram, &self.door, client);
        }
    }

    fn new_way(&self, ways: usize) -> Option<Arc<UdpSocket>> {
        let any = SocketAddr::new(self.door.local_addr().ok()?.ip(), 0);
        (ways < MAX_WAYS).then(|| open(&self.host, any).ok().map(Arc::new)).flatten()
    }

    /// A relay that is overrun drops, as routers do.
    fn hold(&self, datagram: Vec<u8>, socket: &Arc<UdpSocket>, to: SocketAddr) {
        let due = Instant::now() + self.delay;
        let _ = self.held.try_send(Held { due, datagram, socket: Arc::clone(socket), to });
    }

    /// The next datagram; `None` once the relay is over.
    fn next(&self, socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; BUFFER];
        while !self.over.load(Ordering::Relaxed) {
            match socket.recv_from(&mut buffer) {
                Ok((len, from)) => return Some((buffer[..len].to_vec(), from)),
                // Nobody listens at the other end: its sender finds out by itself.
                Err(error) if is_passing(&error) => {}
                Err(_) => return None,
            }
        }
        None
    }
}

/// Sends what is due, until the last reader has gone.
fn write(held: &Receiver<Held>) {
    while let Ok(Held { due, datagram, socket, to }) = held.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // What cannot be sent is lost on the way.
        let _ = socket.send_to(&datagram, to);
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
