//! The device behind `/dev/net/tun`.

#![expect(unsafe_code, reason = "the tun crate hands its descriptor over as a number")]

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
};

use rustix::io::Errno;

use super::Tun;

mod error;

pub use error::DeviceError;

pub(super) type Device = OwnedFd;

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

pub(super) fn read(device: &Device, buffer: &mut [u8]) -> io::Result<usize> {
    match rustix::io::read(device, buffer) {
        Err(Errno::BADFD | Errno::IO) => Err(io::ErrorKind::NotFound.into()),
        outcome => Ok(outcome?),
    }
}

pub(super) fn write(device: &Device, packet: &[u8]) -> io::Result<()> {
    match rustix::io::write(device, packet) {
        Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => Err(io::ErrorKind::WouldBlock.into()),
        outcome => Ok(outcome.map(drop)?),
    }
}

/// Makes the device, down and unconfigured, and takes its descriptor out of the crate that made it.
pub(super) fn open(name: &str) -> Result<Device, DeviceError> {
    let mut configuration = tun::Configuration::default();
    configuration.tun_name(name);
    // The crate's own configuration is by IPv4 ioctls; this leaves all of it out.
    configuration.platform_config(|platform| {
        platform.ensure_root_privileges(false);
    });
    let device = tun::create(&configuration).map_err(|error| DeviceError::explain(name, error.into()))?;
    device.set_nonblock().map_err(|error| DeviceError::explain(name, error))?;
    // SAFETY: the descriptor is open, and `into_raw_fd` has given up its only owner.
    Ok(unsafe { OwnedFd::from_raw_fd(device.into_raw_fd()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tun::{Tun, TunError, own_namespace::in_own_namespace};

    #[test]
    fn a_new_device_is_down_and_silent() {
        in_own_namespace(|| {
            let tun = Tun::create("v6tun0").unwrap();
            assert_eq!(tun.name(), "v6tun0");
            let error = tun.read(&mut [0; 64]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            let error = tun.write(&[0x60; 48]).unwrap_err();
            assert_eq!(Errno::from_io_error(&error), Some(Errno::IO), "down, so it takes nothing");
        });
    }

    #[test]
    fn a_name_in_use_is_reported_as_busy() {
        in_own_namespace(|| {
            let _first = Tun::create("v6tun0").unwrap();
            assert!(matches!(Tun::create("v6tun0"), Err(TunError::Device(DeviceError::Busy { .. }))));
        });
    }

    #[test]
    fn a_name_of_another_kind_of_interface_is_reported_as_taken() {
        in_own_namespace(|| assert!(matches!(open("lo"), Err(DeviceError::NameTaken { .. }))));
    }
}
