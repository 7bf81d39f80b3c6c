//! The loop over a socket pair in the tun's place and the loopback.

use std::{net::SocketAddr, os::fd::OwnedFd, os::unix::net::UnixDatagram, sync::mpsc, thread::JoinHandle};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// Sends each packet to `peer`, each datagram to the tun, and notes what it was told.
struct Relay {
    peer: SocketAddr,
    orders: mpsc::Receiver<()>,
    told: mpsc::Sender<Told>,
    deadline: Option<Instant>,
    bytes: Vec<u8>,
    outgoing: Vec<OutgoingDatagram>,
    packets: Vec<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Datagram(SocketAddr),
    Timeout,
    Lost(Loss, u64),
}

impl Engine for Relay {
    fn handle_datagram(&mut self, received: Received<'_>, _now: Instant) {
        self.packets.push(received.datagram.to_vec());
        let _ = self.told.send(Told::Datagram(received.source));
    }
    fn handle_packet(&mut self, packet: &[u8], _now: Instant) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(packet);
        let (destination, len) = (self.peer, packet.len());
        let one = OutgoingDatagram { destination, start, len, ecn: 0, may_be_fragmented: true };
        self.outgoing.push(one);
    }
    fn handle_wakeup(&mut self, now: Instant) -> ControlFlow<()> {
        if self.orders.try_recv().is_err() {
            return ControlFlow::Continue(());
        }
        self.handle_packet(b"last words", now);
        ControlFlow::Break(())
    }
    fn handle_timeout(&mut self, _now: Instant) {
        self.deadline = None;
        let _ = self.told.send(Told::Timeout);
    }
    fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }
    fn datagrams(&self) -> (&[u8], impl Iterator<Item = OutgoingDatagram> + '_) {
        (&self.bytes, self.outgoing.iter().copied())
    }
    fn packets(&self) -> impl Iterator<Item = &[u8]> + '_ {
        self.packets.iter().map(Vec::as_slice)
    }
    fn clear_outputs(&mut self) {
        self.bytes.clear();
        self.outgoing.clear();
        self.packets.clear();
    }
    fn handle_loss(&mut self, loss: Loss, count: u64) {
        let _ = self.told.send(Told::Lost(loss, count));
    }
}

/// A data path that runs on its own thread, the far end of its "tun", and a network peer.
struct Bench {
    kernel: UnixDatagram,
    peer: std::net::UdpSocket,
    address: SocketAddr,
    order: mpsc::Sender<()>,
    told: mpsc::Receiver<Told>,
    waker: Waker,
    thread: JoinHandle<io::Result<(Relay, Tun)>>,
}

impl Bench {
    fn start(deadline: Option<Instant>) -> Self {
        let (kernel, device) = UnixDatagram::pair().unwrap();
        device.set_nonblocking(true).unwrap();
        kernel.set_read_timeout(Some(PATIENCE)).unwrap();
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_address();
        let (order, orders) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let relay = Relay {
            peer: peer.local_addr().unwrap(),
            orders,
            told: tell,
            deadline,
            bytes: Vec::new(),
            outgoing: Vec::new(),
            packets: Vec::new(),
        };
        let tun = Tun::from_device("pretended", OwnedFd::from(device).into());
        let path = DataPath::new(relay, tun, socket).unwrap();
        let waker = path.waker();
        let thread = std::thread::spawn(move || path.run());
        Self { kernel, peer, address, order, told, waker, thread }
    }

    fn stop(self) -> Tun {
        self.order.send(()).unwrap();
        self.waker.wake();
        let (_, tun) = self.thread.join().unwrap().unwrap();
        tun
    }
}

#[test]
fn packets_go_out_and_datagrams_come_in() {
    let bench = Bench::start(None);
    let mut buffer = [0; 2048];
    for round in 0..200_u16 {
        bench.kernel.send(&round.to_be_bytes()).unwrap();
        let len = bench.peer.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..len], round.to_be_bytes());
        bench.peer.send_to(&buffer[..len], bench.address).unwrap();
        let len = bench.kernel.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..len], round.to_be_bytes());
    }
    assert_eq!(bench.told.recv().unwrap(), Told::Datagram(bench.peer.local_addr().unwrap()));
    assert_eq!(bench.stop().name(), "pretended");
}

#[test]
fn the_last_outputs_are_sent_before_the_run_ends() {
    let bench = Bench::start(None);
    let peer = bench.peer.try_clone().unwrap();
    bench.stop();
    let mut buffer = [0; 64];
    let len = peer.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"last words");
}

#[test]
fn a_due_deadline_is_told_without_any_traffic() {
    let bench = Bench::start(Some(Instant::now() + Duration::from_millis(5)));
    assert_eq!(bench.told.recv_timeout(PATIENCE).unwrap(), Told::Timeout);
    bench.stop();
}

#[test]
fn an_over_long_packet_is_counted_and_the_next_one_passes() {
    let bench = Bench::start(None);
    bench.kernel.send(&[0x60; 3000]).unwrap();
    bench.kernel.send(b"next").unwrap();
    assert_eq!(bench.told.recv_timeout(PATIENCE).unwrap(), Told::Lost(Loss::PacketTooLong, 1));
    let mut buffer = [0; 64];
    assert_eq!(bench.peer.recv(&mut buffer).unwrap(), 4);
    bench.stop();
}

#[test]
fn a_tun_that_takes_nothing_more_costs_packets_and_not_the_run() {
    let bench = Bench::start(None);
    let mut lost = 0;
    while lost == 0 {
        bench.peer.send_to(&[0x60; 1400], bench.address).unwrap();
        match bench.told.recv_timeout(PATIENCE).unwrap() {
            Told::Lost(Loss::TunFull, count) => lost += count,
            Told::Datagram(_) => {}
            other => panic!("{other:?}"),
        }
    }
    bench.stop();
}

#[test]
fn a_deleted_tun_ends_the_run_with_its_name() {
    crate::tun::own_namespace::in_own_namespace(|| {
        let (_order, orders) = mpsc::channel();
        let (told, _told) = mpsc::channel();
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let (bytes, outgoing, packets) = (Vec::new(), Vec::new(), Vec::new());
        let relay = Relay { peer, orders, told, deadline: None, bytes, outgoing, packets };
        let tun = Tun::create("v6tun0").unwrap();
        let socket = UdpSocket::bind_any(0).unwrap();
        let path = DataPath::new(relay, tun, socket).unwrap();
        let deleted = std::process::Command::new("ip").args(["link", "delete", "v6tun0"]).status();
        if !deleted.is_ok_and(|status| status.success()) {
            eprintln!("skipped: `ip link delete` is missing or failed");
            return;
        }
        let error = path.run().err().expect("the device is gone");
        assert!(error.to_string().contains("v6tun0 is gone"), "{error}");
    });
}
