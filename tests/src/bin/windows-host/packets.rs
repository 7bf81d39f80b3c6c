//! The packets of an adapter, between its device and the connection of a session.
//!
//! On the connection each packet follows its length, two bytes, the lower one first. A length of 0 from here precedes
//! an order, one byte. A chunk of packets goes by one system call, as far as the device allows.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::pc::{Pc, lock};
use crate::windows_error::WindowsError;

/// The adapter is gone.
pub(crate) const ORDER_REMOVED: u8 = 1;
/// Leave the packets in the ring.
pub(crate) const ORDER_STALL: u8 = 2;
/// Deliver them again.
pub(crate) const ORDER_GO_ON: u8 = 3;

/// What is read at a time: more than two packets of the greatest length.
const CHUNK: usize = 1 << 18;
/// The greatest length of a packet.
const PACKET: usize = 65535;
/// How often it is looked whether the session has ended while the device is silent.
const LOOK: Duration = Duration::from_millis(100);

/// Where the packets of an adapter go while it has a session.
pub(crate) type Session = Arc<Mutex<Option<TcpStream>>>;

/// Gives an order to whoever has the session, if somebody has.
pub(crate) fn order(session: &Session, order: u8) {
    if let Some(stream) = lock(session).as_mut() {
        // Failing means that the process has gone.
        let _ = stream.write_all(&[0, 0, order]);
    }
}

/// Carries the packets of the adapter `name` until its session or the adapter itself ends.
pub(crate) fn serve(pc: &Pc, stream: &TcpStream, name: &str) -> io::Result<()> {
    let (device, session) = match begin(pc, stream, name) {
        Ok(begun) => begun,
        Err(error) => return (&mut &*stream).write_all(format!("{} 0\n", error.0).as_bytes()),
    };
    (&mut &*stream).write_all(b"0 0\n")?;
    let (from, to) = (Arc::clone(&device), Arc::clone(&session));
    let from_device = thread::spawn(move || carry_from_device(&from, &to));
    let outcome = carry_to_device(stream, &device);
    *lock(&session) = None;
    // Failing means that it has ended already.
    let _ = stream.shutdown(Shutdown::Both);
    let _ = from_device.join();
    outcome
}

fn begin(pc: &Pc, stream: &TcpStream, name: &str) -> Result<(Arc<tun::Device>, Session), WindowsError> {
    let adapters = lock(&pc.adapters);
    let adapter = adapters.get(name).ok_or(WindowsError::NOT_FOUND)?;
    let mut session = lock(&adapter.session);
    if session.is_some() {
        return Err(WindowsError::ALREADY_INITIALIZED);
    }
    *session = Some(stream.try_clone().map_err(|_| WindowsError::GEN_FAILURE)?);
    Ok((Arc::clone(&adapter.device), Arc::clone(&adapter.session)))
}

/// Reads chunks of packets, and writes each packet to the device.
fn carry_to_device(mut stream: &TcpStream, device: &tun::Device) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut have = 0;
    loop {
        let read = stream.read(&mut chunk[have..])?;
        if read == 0 {
            return Ok(());
        }
        have += read;
        let mut rest = &chunk[..have];
        while let Some((packet, after)) = split(rest) {
            // What the device does not take is lost, as on a wire.
            let _ = device.send(packet);
            rest = after;
        }
        let used = have - rest.len();
        chunk.copy_within(used..have, 0);
        have -= used;
    }
}

/// The first packet, if it is whole, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// Reads as many packets as the device has, and writes them as one chunk.
fn carry_from_device(device: &tun::Device, session: &Session) {
    let mut chunk = vec![0; CHUNK];
    while lock(session).is_some() {
        let length = match gather(device, &mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => continue,
            // The device has gone.
            Err(_) => return,
        };
        let mut session = lock(session);
        let Some(stream) = session.as_mut() else { return };
        if stream.write_all(&chunk[..length]).is_err() {
            return;
        }
    }
}

/// Waits for a packet, and takes what stands behind it as well.
fn gather(device: &tun::Device, chunk: &mut [u8]) -> io::Result<usize> {
    let mut at = 2 + device.recv_timeout(&mut chunk[2..2 + PACKET], LOOK)?;
    write_length(&mut chunk[..at]);
    while chunk.len() - at >= 2 + PACKET {
        match device.recv(&mut chunk[at + 2..at + 2 + PACKET]) {
            Ok(length) => {
                write_length(&mut chunk[at..at + 2 + length]);
                at += 2 + length;
            }
            Err(_) => break,
        }
    }
    Ok(at)
}

/// Puts the length of a packet into the two bytes before it.
fn write_length(framed: &mut [u8]) {
    let length = u16::try_from(framed.len() - 2).expect("no packet is longer than 65535 bytes");
    framed[..2].copy_from_slice(&length.to_le_bytes());
}
