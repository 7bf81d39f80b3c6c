//! A server, some clients, the network between them, and one clock for all.

use crate::stock::StockServer;
use mock_instant::MockClock;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};
use v6tun_keys::{PrivateKey, PublicKey};
use v6tun_proto::packet::Ecn;
use v6tun_proto::{
    ClientConfig, ClientEntry, ClientEvent, ClientTunnel, DatagramBatch, Outputs, PacketBatch, Purpose,
    ServerConfig, ServerEvent, ServerTunnel,
};
use v6tun_sim::{Conditions, Network, Travelling};

/// Who answers at the server's address.
pub(crate) enum Server {
    Ours(Box<ServerTunnel>),
    Stock(Box<StockServer>),
    Off,
}

pub(crate) struct Client {
    pub(crate) tunnel: ClientTunnel,
    /// Its address as the server sees it: the NAT's, which the NAT may change.
    pub(crate) address: SocketAddr,
    pub(crate) events: Vec<(Duration, ClientEvent)>,
    pub(crate) packets: Vec<Vec<u8>>,
    /// It does nothing and hears nothing.
    pub(crate) is_asleep: bool,
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clients: Vec<Client>,
    pub(crate) network: Network,
    pub(crate) server_events: Vec<ServerEvent>,
    /// What the server wrote to its tun.
    pub(crate) server_packets: Vec<Vec<u8>>,
    /// Whether the path carries anything.
    pub(crate) is_path_up: bool,
    /// The last datagrams that reached the server, for replays.
    pub(crate) heard: Vec<Travelling>,
    /// The last that reached a client.
    pub(crate) told_to_clients: Vec<Travelling>,
    begin: Instant,
    pub(crate) elapsed: Duration,
    to_network: DatagramBatch,
    to_tun: PacketBatch,
}

pub(crate) const SERVER_KEY: u8 = 1;

pub(crate) fn key(n: u8) -> PrivateKey {
    PrivateKey::from_bytes([n; 32])
}

pub(crate) fn public(n: u8) -> PublicKey {
    key(n).public_key()
}

pub(crate) fn server_address() -> SocketAddr {
    "203.0.113.233:51820".parse().unwrap()
}

pub(crate) fn lease(n: usize) -> Ipv6Addr {
    let n = u16::try_from(n).unwrap();
    Ipv6Addr::new(0x2001, 0xdb8, 0x1301, 0x740, 0xa133, 0, 0x113, 0x2330 + n)
}

pub(crate) fn site() -> Ipv6Addr {
    "2001:db8:ffff::80".parse().unwrap()
}

pub(crate) fn nat(n: usize) -> SocketAddr {
    SocketAddr::new("192.0.2.1".parse().unwrap(), 40_000 + u16::try_from(n).unwrap())
}

/// A UDP packet; its checksum is nobody's business here.
pub(crate) fn packet(source: Ipv6Addr, destination: Ipv6Addr, text: &str) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend([17, 64]);
    bytes.extend(source.octets());
    bytes.extend(destination.octets());
    bytes.extend(text.as_bytes());
    bytes
}

pub(crate) fn text(packet: &[u8]) -> String {
    String::from_utf8_lossy(&packet[40..]).into_owned()
}

impl World {
    /// A server of ours, and so many clients that ask for their lease.
    pub(crate) fn new(conditions: Conditions, seed: u64, clients: usize) -> Self {
        MockClock::set_time(Duration::ZERO);
        let begin = Instant::now();
        let mut world = Self {
            server: Server::Off,
            clients: Vec::new(),
            network: Network::new(conditions, seed),
            server_events: Vec::new(),
            server_packets: Vec::new(),
            is_path_up: true,
            heard: Vec::new(),
            told_to_clients: Vec::new(),
            begin,
            elapsed: Duration::ZERO,
            to_network: DatagramBatch::new(),
            to_tun: PacketBatch::new(),
        };
        world.start_server();
        for n in 0..clients {
            world.add_client(n, None, seed);
        }
        world
    }

    /// One client with an address of its own, and a stock WireGuard server.
    pub(crate) fn with_stock_server(seed: u64) -> Self {
        let mut world = Self::new(Conditions::default(), seed, 0);
        world.server = Server::Stock(Box::new(StockServer::new(&key(SERVER_KEY), &public(10))));
        world.add_client(0, Some(lease(0)), seed);
        world
    }

    pub(crate) fn add_client(&mut self, n: usize, address: Option<Ipv6Addr>, seed: u64) {
        let config = ClientConfig {
            private_key: key(10 + u8::try_from(n).unwrap()),
            server: public(SERVER_KEY),
            preshared_key: None,
            endpoint: server_address(),
            address,
            keepalive: Duration::from_secs(25),
            own_keepalive: None,
            mtu_ceiling: 1440,
            seed: seed + n as u64,
            purpose: Purpose::Lease,
        };
        let tunnel = ClientTunnel::new(config, self.now());
        let client =
            Client { tunnel, address: nat(n), events: Vec::new(), packets: Vec::new(), is_asleep: false };
        self.clients.push(client);
    }

    /// A server that knows nothing of what was before.
    pub(crate) fn start_server(&mut self) {
        self.start_server_that_lends(0);
    }

    /// One that remembers where everybody was.
    pub(crate) fn restart_server(&mut self) {
        let endpoints = self.clients.iter().zip(10..).map(|(client, n)| (public(n), client.address));
        self.start_server_with(0, endpoints.collect());
    }

    /// One that knows nothing, with the first client's lease moved on by so many.
    pub(crate) fn start_server_that_lends(&mut self, first: usize) {
        self.start_server_with(first, Vec::new());
    }

    fn start_server_with(&mut self, first: usize, endpoints: Vec<(PublicKey, SocketAddr)>) {
        let entry = |n: u8| ClientEntry {
            name: format!("client {n}"),
            public_key: public(10 + n),
            preshared_key: None,
            address: lease(first + usize::from(n)),
        };
        let config = ServerConfig {
            private_key: key(SERVER_KEY),
            clients: (0..4).map(entry).collect(),
            mtu_ceiling: 1440,
            keepalive: Duration::from_secs(25),
            version: (0, 1, 0),
            seed: 5,
            endpoints,
            invitations: Vec::new(),
        };
        self.server = Server::Ours(Box::new(ServerTunnel::new(config, self.now())));
    }

    /// The server takes its leave and is gone.
    pub(crate) fn stop_server(&mut self) {
        self.with_server(|server, out, now, _| {
            if let Server::Ours(tunnel) = server {
                tunnel.handle_stop(out, now);
            }
        });
        self.server = Server::Off;
    }

    pub(crate) fn now(&self) -> Instant {
        self.begin + self.elapsed
    }

    /// Where the server believes a client to be.
    pub(crate) fn believed(&self, n: usize) -> Option<SocketAddr> {
        self.ours().status(self.now())[n].endpoint
    }

    pub(crate) fn ours(&self) -> &ServerTunnel {
        match &self.server {
            Server::Ours(tunnel) => tunnel,
            _ => panic!("there is no server of ours"),
        }
    }

    pub(crate) fn stock(&self) -> &StockServer {
        match &self.server {
            Server::Stock(server) => server,
            _ => panic!("there is no stock server"),
        }
    }

    /// Lets time pass, with everything that falls due in it.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.elapsed + time;
        while self.step(end) {}
        self.set_clock(end);
    }

    /// Lets time pass until something is so; says when, or panics after that long.
    pub(crate) fn run_until(&mut self, most: Duration, is_so: impl Fn(&Self) -> bool) -> Duration {
        let end = self.elapsed + most;
        while !is_so(self) {
            assert!(
                self.step(end),
                "not so within {most:?}; the first client told {:?}",
                self.clients[0].events
            );
        }
        self.elapsed
    }

    /// Does the next thing that is due by `end`; false if there is none.
    fn step(&mut self, end: Duration) -> bool {
        let begin = self.begin;
        let since = |at: Instant| at.saturating_duration_since(begin);
        let server = match &self.server {
            Server::Ours(tunnel) => tunnel.next_deadline().map(|deadline| since(deadline.at)),
            Server::Stock(server) => Some(server.next_tick),
            Server::Off => None,
        };
        let awake = self.clients.iter().filter(|client| !client.is_asleep);
        let clients = awake.filter_map(|client| client.tunnel.next_deadline());
        let next_client = clients.map(|deadline| since(deadline.at)).min();
        let next = [server, next_client, self.network.next_arrival()].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end) else { return false };
        self.set_clock(next.max(self.elapsed));
        self.time_out(server.is_some_and(|at| at <= next));
        while let Some(datagram) = self.network.receive(self.elapsed) {
            self.deliver(datagram);
        }
        true
    }

    fn set_clock(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
        MockClock::set_time(elapsed);
    }

    fn time_out(&mut self, is_server_due: bool) {
        if is_server_due {
            self.with_server(|server, out, now, elapsed| match server {
                Server::Ours(tunnel) => tunnel.handle_timeout(out, now),
                Server::Stock(stock) => stock.tick(elapsed),
                Server::Off => {}
            });
        }
        for n in 0..self.clients.len() {
            let is_due = self.clients[n].tunnel.next_deadline().is_some_and(|d| d.at <= self.now());
            if is_due && !self.clients[n].is_asleep {
                self.with_client(n, |client, out, now| client.handle_timeout(out, now));
            }
        }
    }

    fn deliver(&mut self, datagram: Travelling) {
        if !self.is_path_up {
            return;
        }
        if datagram.to == server_address() {
            self.inject(datagram.from, &datagram.bytes);
            self.heard.push(datagram);
            let surplus = self.heard.len().saturating_sub(64);
            self.heard.drain(..surplus);
        } else if let Some(n) = self.clients.iter().position(|client| client.address == datagram.to)
            && !self.clients[n].is_asleep
        {
            self.inject_to_client(n, datagram.from, &datagram.bytes);
            self.told_to_clients.push(datagram);
            let surplus = self.told_to_clients.len().saturating_sub(64);
            self.told_to_clients.drain(..surplus);
        }
    }

    /// Gives the server a datagram from anywhere.
    pub(crate) fn inject(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.with_server(|server, out, now, elapsed| match server {
            Server::Ours(tunnel) => tunnel.handle_datagram(source, bytes, Ecn::NotCapable, out, now),
            Server::Stock(stock) => stock.receive(source, bytes, elapsed),
            Server::Off => {}
        });
    }

    /// Gives a client a datagram from anywhere.
    pub(crate) fn inject_to_client(&mut self, n: usize, source: SocketAddr, bytes: &[u8]) {
        self.with_client(n, |client, out, now| {
            client.handle_datagram(source, bytes, Ecn::NotCapable, out, now);
        });
    }

    /// Gives the server a packet from its tun.
    pub(crate) fn send_to_client(&mut self, bytes: &[u8]) {
        self.with_server(|server, out, now, _| match server {
            Server::Ours(tunnel) => tunnel.handle_packet(bytes, out, now),
            Server::Stock(stock) => stock.send(bytes),
            Server::Off => {}
        });
    }

    /// Gives a client a packet from its tun, for the site.
    pub(crate) fn send_to_site(&mut self, n: usize, words: &str) {
        let bytes = packet(lease(n), site(), words);
        self.with_client(n, |client, out, now| client.handle_packet(&bytes, out, now));
    }

    pub(crate) fn with_client(
        &mut self,
        n: usize,
        act: impl FnOnce(&mut ClientTunnel, &mut Outputs<'_>, Instant),
    ) {
        let now = self.now();
        let mut out = Outputs { to_network: &mut self.to_network, to_tun: &mut self.to_tun };
        let client = &mut self.clients[n];
        act(&mut client.tunnel, &mut out, now);
        for (to, bytes) in self.to_network.iter() {
            self.network.send(self.elapsed, client.address, to, bytes);
        }
        client.packets.extend(self.to_tun.iter().map(<[u8]>::to_vec));
        while let Some(event) = client.tunnel.poll_event() {
            client.events.push((self.elapsed, event));
        }
        self.to_network.clear();
        self.to_tun.clear();
    }

    fn with_server(&mut self, act: impl FnOnce(&mut Server, &mut Outputs<'_>, Instant, Duration)) {
        let now = self.now();
        let mut out = Outputs { to_network: &mut self.to_network, to_tun: &mut self.to_tun };
        act(&mut self.server, &mut out, now, self.elapsed);
        if let Server::Ours(tunnel) = &mut self.server {
            while let Some(event) = tunnel.poll_event() {
                // The host is quick and never fails.
                if let ServerEvent::LeaseNeeded { client, .. } = &event {
                    tunnel.handle_lease_ready(*client, &mut out, now);
                }
                self.server_events.push(event);
            }
        }
        if let Server::Stock(stock) = &mut self.server {
            for (to, bytes) in stock.outbox.drain(..) {
                self.network.send(self.elapsed, server_address(), to, &bytes);
            }
        }
        for (to, bytes) in self.to_network.iter() {
            self.network.send(self.elapsed, server_address(), to, bytes);
        }
        self.server_packets.extend(self.to_tun.iter().map(<[u8]>::to_vec));
        self.to_network.clear();
        self.to_tun.clear();
    }

    /// Whether a client has told something of that kind since a time.
    pub(crate) fn told(&self, n: usize, since: Duration, is_it: impl Fn(&ClientEvent) -> bool) -> bool {
        self.clients[n].events.iter().any(|(at, event)| *at >= since && is_it(event))
    }
}
