//! Hearing that the PC's network has changed.

use crate::network::NetworkError;

/// Tells that an interface, an address or a route has changed, but not how.
#[derive(Debug)]
pub struct AddressWatch {}

impl AddressWatch {
    /// Begins to listen.
    ///
    /// # Errors
    /// If Windows takes no listener.
    pub fn open() -> Result<Self, NetworkError> {
        Ok(Self {})
    }

    /// Returns when something has changed since the last call returned, or since this was opened.
    pub async fn changed(&mut self) {
        std::future::pending().await
    }
}
