//! The device behind `/dev/net/tun`.

#![expect(
    unsafe_code,
    reason = "the tun crate hands its descriptor over as a number, and an ioctl has no safe wrapper"
)]

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
};

use rustix::{
    io::Errno,
    ioctl::{IntegerSetter, Opcode, ioctl, opcode},
};

use super::{Reading, Tun, WriteReport};
use crate::offload::{Coalescer, Head, Joins, SuperPacket, VIRTIO_LEN, VirtioHeader};

mod error;
mod offload;

pub use error::DeviceError;

/// `TUNSETPERSIST` (`linux/if_tun.h`).
const TUNSETPERSIST: Opcode = opcode::write::<u32>(b'T', 203);

/// An open device.
#[derive(Debug)]
pub(crate) struct Device {
    descriptor: OwnedFd,
    /// What may be written as one; `None` on a device without virtio headers, which takes packets as they are.
    joins: Option<Joins>,
}

impl Tun {
    /// Says whether the device stays when this process ends. One that stays is taken over by [`Tun::create`] of its
    /// name; until then what is sent to it is lost without an answer.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    pub fn set_persistent(&self, is_persistent: bool) -> io::Result<()> {
        // SAFETY: the opcode takes its argument as a number, in the place of a pointer.
        let setter = unsafe { IntegerSetter::<TUNSETPERSIST>::new_usize(usize::from(is_persistent)) };
        // SAFETY: the call changes the device alone.
        Ok(unsafe { ioctl(self, setter) }?)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.descriptor.as_fd()
    }
}

/// A device without virtio headers.
impl From<OwnedFd> for Device {
    fn from(descriptor: OwnedFd) -> Self {
        Self { descriptor, joins: None }
    }
}

/// Reads what the kernel gives at once: a packet or a super-packet.
pub(super) fn read(device: &Device, buffer: &mut [u8]) -> io::Result<Reading> {
    let len = match rustix::io::read(&device.descriptor, &mut *buffer) {
        Err(Errno::BADFD | Errno::IO) => return Err(io::ErrorKind::NotFound.into()),
        outcome => outcome?,
    };
    if device.joins.is_none() {
        return Ok(Reading { header: VirtioHeader::PLAIN, packet: 0..len });
    }
    let header = buffer.get(..len).and_then(<[u8]>::first_chunk).and_then(VirtioHeader::parse);
    let header = header.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Reading { header, packet: VIRTIO_LEN..len })
}

pub(super) fn write_batch<'p>(device: &Device, packets: impl Iterator<Item = &'p [u8]>) -> WriteReport {
    let mut report = WriteReport::default();
    let Some(joins) = device.joins else {
        for packet in packets {
            report.count(1, rustix::io::write(&device.descriptor, packet));
        }
        return report;
    };
    let mut coalescer = Coalescer::new(joins);
    let mut head = Head::default();
    let mut write = |packet: &SuperPacket<'p>| {
        let slices: &[IoSlice<'_>] = &packet.to_slices(&mut head);
        report.count(packet.packets(), rustix::io::writev(&device.descriptor, slices));
    };
    for packet in packets {
        coalescer.push(packet, &mut write);
    }
    coalescer.finish(&mut write);
    report
}

impl WriteReport {
    fn count(&mut self, packets: usize, outcome: Result<usize, Errno>) {
        match outcome {
            Ok(_) => {}
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => self.full += packets as u64,
            Err(_) => self.refused += packets as u64,
        }
    }
}

/// Makes the device, down and unconfigured.
pub(super) fn open(name: &str) -> Result<Device, DeviceError> {
    let descriptor = match create(name, true) {
        // A kernel of another make, which calls itself Linux and knows no virtio headers.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return create(name, false).map(Device::from).map_err(|error| DeviceError::explain(name, error));
        }
        outcome => outcome.map_err(|error| DeviceError::explain(name, error))?,
    };
    let joins = offload::enable(&descriptor);
    Ok(Device { descriptor, joins: Some(joins) })
}

/// Takes the descriptor out of the crate that made the device.
fn create(name: &str, has_virtio_headers: bool) -> io::Result<OwnedFd> {
    let mut configuration = tun::Configuration::default();
    configuration.tun_name(name);
    // The crate's own configuration is by IPv4 ioctls; this leaves all of it out.
    configuration.platform_config(|platform| {
        platform.ensure_root_privileges(false);
        platform.vnet_hdr(has_virtio_headers);
    });
    let device = tun::create(&configuration).map_err(io::Error::from)?;
    device.set_nonblock()?;
    // SAFETY: the descriptor is open, and `into_raw_fd` has given up its only owner.
    Ok(unsafe { OwnedFd::from_raw_fd(device.into_raw_fd()) })
}

#[cfg(test)]
mod tests;
