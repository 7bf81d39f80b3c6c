//! Why Linux makes no tun device.

use std::{io, path::Path};

use rustix::io::Errno;

/// Why there is no tun device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// `/dev/net/tun` is not there, or the kernel has no driver behind it.
    #[error("cannot make the tun device {name}: /dev/net/tun is missing")]
    Missing {
        /// The name as it was given.
        name: String,
        /// What opening it said.
        #[source]
        source: io::Error,
    },
    /// A program has a device of this name open.
    #[error("cannot make the tun device {name}: another program uses a device of that name")]
    Busy {
        /// The name as it was given.
        name: String,
    },
    /// An interface of this name exists that is no tun device.
    #[error("cannot make the tun device {name}: an interface of that name exists and is no tun device")]
    NameTaken {
        /// The name as it was given.
        name: String,
    },
    /// The process may not make network devices.
    #[error("cannot make the tun device {name}: this process may not (CAP_NET_ADMIN is missing)")]
    Permission {
        /// The name as it was given.
        name: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot make the tun device {name}: {source}")]
    Io {
        /// The name as it was given.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl DeviceError {
    pub(super) fn explain(name: &str, source: io::Error) -> Self {
        let name = name.to_owned();
        match Errno::from_io_error(&source) {
            Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => Self::Missing { name, source },
            Some(Errno::PERM | Errno::ACCESS) => Self::Permission { name, source },
            Some(Errno::BUSY) => Self::Busy { name },
            Some(Errno::INVAL) => Self::NameTaken { name },
            _ if !Path::new("/dev/net/tun").exists() => Self::Missing { name, source },
            _ => Self::Io { name, source },
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some(
                "`modprobe tun`; in a container, hand the device in (docker run --device /dev/net/tun)"
                    .to_owned(),
            ),
            Self::Busy { name } | Self::NameTaken { name } => Some(format!(
                "`ip -d link show dev {name}` shows it; or choose another name: interface = \"…\""
            )),
            Self::Permission { .. } => Some("run it as root, with sudo".to_owned()),
            Self::Io { .. } => None,
        }
    }
}
