//! The tun device: the kernel's side of the tunnel.
//!
//! Where the system has it, packets of one flow pass between it and this process as one, and are taken apart and put
//! together here ([`offload`](crate::offload)): a system call and a walk through the kernel for dozens of packets.
//!
//! A device made here is down and has no address and no MTU of ours yet: that is [`network`](crate::network)'s part.
//! It lives as long as its [`Tun`]: dropping it, or the end of the process, removes the device.

use std::{io, ops::Range};

use crate::offload::VirtioHeader;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(windows)]
use windows as platform;

pub use platform::DeviceError;

#[cfg(all(test, target_os = "linux"))]
pub(crate) mod own_namespace;

/// The longest name of an interface, in bytes: `IFNAMSIZ` less its terminating zero.
const MAX_NAME_LEN: usize = 15;

/// An open tun device, non-blocking, without packet information in front of the packets.
#[derive(Debug)]
pub struct Tun {
    name: String,
    device: platform::Device,
}

impl Tun {
    /// Makes a tun device with this name, which [`check_name`] accepts.
    ///
    /// # Errors
    ///
    /// [`TunError`] says which of name, `/dev/net/tun`, permission or a device of that name stands in the way.
    pub fn create(name: &str) -> Result<Self, TunError> {
        check_name(name)?;
        Ok(Self::from_device(name, platform::open(name)?))
    }

    /// Takes over a device that is open and non-blocking already.
    pub(crate) fn from_device(name: &str, device: platform::Device) -> Self {
        Self { name: name.to_owned(), device }
    }

    /// The device's name, as `ip link` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads what the kernel has routed to the device: one packet, or several of one flow. `buffer` has
    /// [`TUN_BUFFER_LEN`](crate::limits::TUN_BUFFER_LEN) bytes.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when none waits; `NotFound` when the device is gone; `InvalidData` for one that the system itself
    /// describes wrongly, after which others can be read.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Reading> {
        platform::read(&self.device, buffer)
    }

    /// Hands packets to the kernel as if they had arrived on the device: those of each flow in this order.
    pub fn write_batch<'p>(&self, packets: impl Iterator<Item = &'p [u8]>) -> WriteReport {
        platform::write_batch(&self.device, packets)
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it is.
    pub header: VirtioHeader,
    /// Where in the buffer it lies.
    pub packet: Range<usize>,
}

/// What of a batch the kernel did not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteReport {
    /// Packets that it had no room for at that moment.
    pub full: u64,
    /// Packets that it refused: the device is down or gone, or they are malformed.
    pub refused: u64,
}

/// Why there is no tun device.
#[derive(Debug, thiserror::Error)]
pub enum TunError {
    /// The name is none that [`check_name`] accepts.
    #[error(
        "cannot make the tun device {name:?}: its name has 1 to 15 letters, digits, '-', '_' or '.', and is none of \
         'all', 'default' and 'lo'"
    )]
    BadName {
        /// The name as it was given.
        name: String,
    },
    /// The system makes none.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl TunError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::BadName { .. } => Some("interface = \"v6tun0\"".to_owned()),
            Self::Device(error) => error.hint(),
        }
    }
}

/// Whether a tun device can have this name: 1 to 15 ASCII letters, digits, `-`, `_` or `.`, so that it stands for
/// itself in a path, a shell and a log. `all`, `default` and `lo` are other things below `net.ipv6.conf`, where the
/// device's own settings are written.
///
/// # Errors
///
/// [`TunError::BadName`].
pub fn check_name(name: &str) -> Result<(), TunError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let good = (1..=MAX_NAME_LEN).contains(&name.len())
        && name.bytes().all(allowed)
        && !matches!(name, "." | ".." | "all" | "default" | "lo");
    if good { Ok(()) } else { Err(TunError::BadName { name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_would_refuse_or_expand_are_refused_before_it_is_asked() {
        for name in ["", "a-name-of-16-byt", "v6tun%d", "a/b", "a b", "a:0", ".", "..", "ü"] {
            assert!(matches!(Tun::create(name), Err(TunError::BadName { .. })), "{name:?}");
        }
    }

    #[test]
    fn names_of_other_things_below_net_ipv6_conf_are_refused() {
        for name in ["all", "default", "lo"] {
            assert!(matches!(Tun::create(name), Err(TunError::BadName { .. })), "{name:?}");
        }
    }

    #[test]
    fn an_ordinary_name_is_accepted() {
        for name in ["v6tun0", "tun.1_a-b", "fifteen-bytes-1", "lo0", "alle"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }
}
