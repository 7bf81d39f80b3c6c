//! The PC's network by the IP Helper functions.

mod identity;
mod watch;

use std::io;
use std::net::{IpAddr, Ipv6Addr};

pub use self::watch::AddressWatch;
use super::{Change, Entry, Link, NetworkError, Observed, Requirement, RouteTo};

/// The PC's network.
#[derive(Debug, Clone)]
pub struct Network {}

impl Network {
    /// Opens it.
    ///
    /// # Errors
    /// None today.
    pub fn open() -> Result<Self, NetworkError> {
        Ok(Self {})
    }

    /// Seconds since boot, sleep included.
    #[must_use]
    pub fn boot_seconds(&self) -> u64 {
        identity::boot_seconds()
    }

    /// The state that [`plan`](super::plan) compares these requirements with.
    ///
    /// # Errors
    /// If Windows refuses a table.
    pub async fn observe(&self, _requirements: &[Requirement]) -> Result<Observed, NetworkError> {
        Err(NetworkError::new("observe", io::ErrorKind::Unsupported.into()))
    }

    /// The state that [`undo`](super::undo) compares these entries with.
    ///
    /// # Errors
    /// If Windows refuses a table.
    pub async fn observe_for_undo(&self, _entries: &[Entry]) -> Result<Observed, NetworkError> {
        self.observe(&[]).await
    }

    /// How the PC would send to `destination`; `None` if it would not.
    ///
    /// # Errors
    /// If Windows refuses the question.
    pub async fn route_to(&self, _destination: IpAddr) -> Result<Option<RouteTo>, NetworkError> {
        Err(NetworkError::new("route_to", io::ErrorKind::Unsupported.into()))
    }

    /// Waits until these addresses are in use.
    pub(crate) async fn settle(&self, _addresses: &[Ipv6Addr]) -> Result<(), NetworkError> {
        Ok(())
    }

    /// Makes one change. Its work found done already is success.
    ///
    /// # Errors
    /// If Windows refuses it, or its link does not exist.
    pub async fn apply(&self, change: &Change) -> Result<(), NetworkError> {
        Err(NetworkError::new(change.description(), io::ErrorKind::Unsupported.into()))
    }

    pub(super) async fn links(&self) -> Result<Vec<Link>, NetworkError> {
        Ok(Vec::new())
    }
}
