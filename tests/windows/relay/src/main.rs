//! `relay ADAPTER HERE THERE`: carries packets between an adapter of wintun and datagrams, as they are, one each. The
//! least that a tunnel's client does: what v6tun adds to it is measured against it.

use std::error::Error;
use std::net::UdpSocket;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use wintun::{Adapter, MAX_RING_CAPACITY, Session};

/// The greatest length of a datagram.
const DATAGRAM: usize = 65535;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [adapter, here, there] = &words[..] else {
        eprintln!("relay ADAPTER HERE THERE");
        return ExitCode::from(2);
    };
    match run(adapter, here, there) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(adapter: &str, here: &str, there: &str) -> Result<(), Box<dyn Error>> {
    let dll = std::env::current_exe()?.with_file_name("wintun.dll");
    // SAFETY: the DLL beside this program is wintun's, or behaves as that does.
    let wintun = unsafe { wintun::load_from_path(dll)? };
    let adapter = Adapter::create(&wintun, adapter, "relay", None)?;
    let session = Arc::new(adapter.start_session(MAX_RING_CAPACITY)?);
    let socket = Arc::new(UdpSocket::bind(here)?);
    socket.connect(there)?;
    println!("relay: up");
    let (outgoing, out) = (Arc::clone(&session), Arc::clone(&socket));
    thread::spawn(move || carry_out(&outgoing, &out));
    carry_in(&session, &socket)
}

fn carry_out(session: &Arc<Session>, socket: &UdpSocket) {
    while let Ok(packet) = session.receive_blocking() {
        // What is refused is lost.
        let _ = socket.send(packet.bytes());
    }
}

fn carry_in(session: &Arc<Session>, socket: &UdpSocket) -> Result<(), Box<dyn Error>> {
    let mut datagram = vec![0; DATAGRAM];
    loop {
        // Windows tells by an error that the last datagram found nobody.
        let Ok(length) = socket.recv(&mut datagram) else { continue };
        let Ok(mut packet) = session.allocate_send_packet(u16::try_from(length)?) else { continue };
        packet.bytes_mut().copy_from_slice(&datagram[..length]);
        session.send_packet(packet);
    }
}
