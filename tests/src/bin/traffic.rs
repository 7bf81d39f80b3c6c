//! Datagrams with numbers in them, for measurements and for tests of order: sends them at a pace, and counts what
//! arrives.
//!
//! Everything ends by itself.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

/// Bytes of both buffers of a socket: 20 ms of 10 Gb/s.
const BUFFER: usize = 24 << 20;
/// How long nothing may arrive before the receiver takes it that all is over.
const QUIET: Duration = Duration::from_millis(500);
/// The longest datagram.
const MAX_SIZE: usize = 2048;
/// How long before a datagram is due the sender rests instead of waiting awake.
const REST: Duration = Duration::from_micros(100);

/// Sends and counts numbered datagrams over IPv6
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Sends datagrams, and prints how many in how many seconds
    Send {
        /// Where to
        to: SocketAddrV6,
        /// Bytes of each, 8 to 2048
        #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u16).range(8..=2048))]
        size: u16,
        /// How many in a second; 0: as many as go
        #[arg(long, default_value_t = 0)]
        rate: u32,
        /// For how long, seconds, at most 3600
        #[arg(long, default_value = "1", value_parser = seconds)]
        seconds: Duration,
    },
    /// Receives until nothing comes any more, and prints how many came, twice and out of order, in how many seconds
    Receive {
        /// On which port
        port: u16,
        /// For how long at most, seconds, at most 3600
        #[arg(long, default_value = "60", value_parser = seconds)]
        seconds: Duration,
    },
    /// Sends back what arrives
    Echo {
        /// On which port
        port: u16,
        /// For how long, seconds, at most 3600
        #[arg(long, default_value = "60", value_parser = seconds)]
        seconds: Duration,
    },
    /// Asks every 2 ms until the first answer, and prints when it came, in seconds of Unix time
    First {
        /// Whom
        to: SocketAddrV6,
        /// For how long at most, seconds, at most 3600
        #[arg(long, default_value = "30", value_parser = seconds)]
        seconds: Duration,
    },
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds: f64 = text.parse()?;
    anyhow::ensure!((0.0..=3600.0).contains(&seconds), "not from 0 to 3600");
    Ok(Duration::from_secs_f64(seconds))
}

fn main() -> Result<()> {
    match Args::parse().role {
        Role::Send { to, size, rate, seconds } => send(to, usize::from(size), rate, seconds),
        Role::Receive { port, seconds } => receive(port, seconds),
        Role::Echo { port, seconds } => echo(port, seconds),
        Role::First { to, seconds } => first(to, seconds),
    }
}

fn open(address: SocketAddrV6) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(address).with_context(|| address.to_string())?;
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size_force(&socket, BUFFER);
    Ok(socket)
}

fn any(port: u16) -> SocketAddrV6 {
    SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0)
}

fn send(to: SocketAddrV6, size: usize, rate: u32, limit: Duration) -> Result<()> {
    let socket = open(any(0))?;
    socket.connect(SocketAddr::V6(to)).context("no route")?;
    let mut datagram = vec![0; size];
    let (start, mut sent) = (Instant::now(), 0_u64);
    loop {
        let elapsed = start.elapsed();
        if elapsed >= limit {
            break;
        }
        let due = if rate == 0 { sent + 1 } else { (elapsed.as_secs_f64() * f64::from(rate)) as u64 };
        if sent >= due {
            let wait = Duration::from_secs_f64((sent + 1) as f64 / f64::from(rate)).saturating_sub(elapsed);
            if wait > REST {
                std::thread::sleep(REST / 2);
            }
            continue;
        }
        datagram[..8].copy_from_slice(&sent.to_be_bytes());
        match socket.send(&datagram) {
            Ok(_) => sent += 1,
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error).context("sending"),
        }
    }
    println!("{{\"sent\": {sent}, \"seconds\": {:.6}}}", start.elapsed().as_secs_f64());
    Ok(())
}

/// No room at the moment, or nobody listens yet.
fn is_passing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused)
        || error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error())
}

/// Which numbers have come.
#[derive(Default)]
struct Seen {
    bits: Vec<u64>,
    highest: u64,
    received: u64,
    twice: u64,
    late: u64,
}

impl Seen {
    fn add(&mut self, number: u64) {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        // An hour at a million in a second.
        if word >= 64_000_000 {
            return;
        }
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit != 0 {
            self.twice += 1;
            return;
        }
        self.bits[word] |= bit;
        self.received += 1;
        if number < self.highest {
            self.late += 1;
        } else {
            self.highest = number;
        }
    }
}

fn receive(port: u16, limit: Duration) -> Result<()> {
    let socket = open(any(port))?;
    socket.set_read_timeout(Some(QUIET))?;
    let (mut buffer, mut seen) = ([0; MAX_SIZE], Seen::default());
    let (start, mut began, mut last) = (Instant::now(), None, Instant::now());
    while start.elapsed() < limit {
        match socket.recv(&mut buffer) {
            Ok(len) => {
                last = Instant::now();
                began.get_or_insert(last);
                if let Some(number) = buffer[..len].first_chunk() {
                    seen.add(u64::from_be_bytes(*number));
                }
            }
            Err(_) if began.is_some() => break,
            Err(_) => {}
        }
    }
    let seconds = began.map_or(0.0, |began| (last - began).as_secs_f64());
    let Seen { received, twice, late, .. } = seen;
    println!("{{\"received\": {received}, \"twice\": {twice}, \"late\": {late}, \"seconds\": {seconds:.6}}}");
    Ok(())
}

fn echo(port: u16, limit: Duration) -> Result<()> {
    let socket = open(any(port))?;
    socket.set_read_timeout(Some(QUIET))?;
    let (mut buffer, start) = ([0; MAX_SIZE], Instant::now());
    while start.elapsed() < limit {
        if let Ok((len, from)) = socket.recv_from(&mut buffer) {
            // Whoever asked has gone, or has no way yet: it asks again.
            let _ = socket.send_to(&buffer[..len], from);
        }
    }
    Ok(())
}

fn first(to: SocketAddrV6, limit: Duration) -> Result<()> {
    let pause = Duration::from_millis(2);
    let (start, mut buffer) = (Instant::now(), [0; MAX_SIZE]);
    let mut socket = None;
    eprintln!("asking");
    while start.elapsed() < limit {
        let asked = match &socket {
            Some(socket) => ask(socket),
            // Only connected after there is a route does it have the source address that the tunnel gives.
            None => open(any(0)).and_then(|open| {
                open.connect(SocketAddr::V6(to))?;
                open.set_read_timeout(Some(pause))?;
                ask(&open)?;
                socket = Some(open);
                Ok(())
            }),
        };
        match (asked, &socket) {
            (Ok(()), Some(socket)) => {
                if socket.recv(&mut buffer).is_ok() {
                    let answered = SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64();
                    println!("{{\"answered\": {answered:.6}}}");
                    return Ok(());
                }
            }
            _ => {
                socket = None;
                std::thread::sleep(pause);
            }
        }
    }
    anyhow::bail!("no answer within {limit:?}")
}

fn ask(socket: &UdpSocket) -> Result<()> {
    socket.send(&[0; 8])?;
    Ok(())
}
