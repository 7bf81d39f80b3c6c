//! The device of wintun: an adapter and one session on it, whose two rings are shared with the driver.
//!
//! The adapter lives as long as its [`Tun`](super::Tun): Windows removes it when the process ends, however it ends.
//! Packets are copied between the rings and the batches of the data path; no system call is made for each.

use std::{fmt, io, os::windows::io::RawHandle, sync::Arc};

use windows_sys::Win32::Foundation::{ERROR_BUFFER_OVERFLOW, ERROR_HANDLE_EOF, ERROR_INVALID_HANDLE};
use wintun::{Adapter, Session, Wintun};

use super::{Reading, Tun, WriteReport};
use crate::limits::WINTUN_RING_LEN;
use crate::offload::{Coalescer, Joins, SuperPacket, VirtioHeader};

mod error;
mod guid;
mod library;

pub use error::DeviceError;

/// What Windows calls adapters of this kind.
const TUNNEL_TYPE: &str = "v6tun";

/// How often the making of an adapter is tried: what a killed program has left is cleared by the first attempt.
const ATTEMPTS: usize = 2;

/// A session, which owns its adapter.
pub(crate) struct Device(Arc<Session>);

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").finish_non_exhaustive()
    }
}

impl Tun {
    /// The event that is set when packets begin to wait; it is open for as long as the device.
    pub(crate) fn read_event(&self) -> io::Result<RawHandle> {
        let event = self.device.0.get_read_wait_event()?;
        Ok(event as RawHandle)
    }
}

/// Makes the adapter of this name, or takes the one that is there, and starts a session on it.
pub(super) fn open(name: &str) -> Result<Device, DeviceError> {
    let wintun = library::load(name)?;
    let adapter = adapter(&wintun, name)?;
    let session =
        adapter.start_session(WINTUN_RING_LEN).map_err(|_| DeviceError::session(name, last_error()))?;
    Ok(Device(Arc::new(session)))
}

/// A fixed GUID lets Windows know the adapter again, with what it remembers of it.
fn adapter(wintun: &Wintun, name: &str) -> Result<Arc<Adapter>, DeviceError> {
    let mut refusal = None;
    for _ in 0..ATTEMPTS {
        match Adapter::create(wintun, name, TUNNEL_TYPE, Some(guid::of(name))).map_err(cause) {
            Ok(adapter) => return Ok(adapter),
            Err(error) => refusal = Some(error),
        }
        if let Ok(adapter) = Adapter::open(wintun, name) {
            return Ok(adapter);
        }
        tracing::debug!(?refusal, name, "no adapter was made");
    }
    Err(DeviceError::adapter(name, refusal.unwrap_or_else(last_error)))
}

/// The crate says of some failures only that there was one, and leaves the code where the library put it.
fn cause(error: wintun::Error) -> io::Error {
    match error {
        wintun::Error::Io(error) => error,
        _ => last_error(),
    }
}

fn last_error() -> io::Error {
    io::Error::last_os_error()
}

pub(super) fn read(device: &Device, buffer: &mut [u8]) -> io::Result<Reading> {
    let packet = match device.0.try_receive() {
        Ok(Some(packet)) => packet,
        Ok(None) => return Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => return Err(explain(error.into())),
    };
    // As long as the longest packet of wintun's at least (`WINTUN_MAX_IP_PACKET_SIZE`).
    let room = buffer.get_mut(..packet.bytes().len()).ok_or(io::ErrorKind::InvalidData)?;
    room.copy_from_slice(packet.bytes());
    Ok(Reading { header: VirtioHeader::PLAIN, packet: 0..room.len() })
}

pub(super) fn write_batch<'p>(device: &Device, packets: impl Iterator<Item = &'p [u8]>) -> WriteReport {
    let mut report = WriteReport::default();
    // As a network card does that joins what it receives: one walk through Windows for many segments of TCP.
    let mut coalescer = Coalescer::new(Joins::Tcp);
    let mut write = |packet: &SuperPacket<'p>| match write(device, packet) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => report.full += packet.packets() as u64,
        Err(_) => report.refused += packet.packets() as u64,
    };
    for packet in packets {
        coalescer.push(packet, &mut write);
    }
    coalescer.finish(&mut write);
    report
}

fn write(device: &Device, packet: &SuperPacket<'_>) -> io::Result<()> {
    let len = u16::try_from(packet.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut room = device.0.allocate_send_packet(len).map_err(|error| explain(error.into()))?;
    packet.copy_to(room.bytes_mut());
    device.0.send_packet(room);
    Ok(())
}

/// The kinds that [`Tun`] promises.
fn explain(error: io::Error) -> io::Error {
    match error.raw_os_error().map(i32::cast_unsigned) {
        Some(ERROR_BUFFER_OVERFLOW) => io::ErrorKind::WouldBlock.into(),
        Some(ERROR_HANDLE_EOF | ERROR_INVALID_HANDLE) => io::ErrorKind::NotFound.into(),
        _ => error,
    }
}
