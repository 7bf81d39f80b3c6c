//! Clients come, go and move while the server serves the others.

mod backup;
mod bookkeeping;
mod client_side;
mod damaged_state;
mod disk_full;
mod exported;
mod moved;
mod refused;
mod revoked;
mod scene;

use anyhow::Result;
use v6tun_keys::PrivateKey;

use scene::Scene;

/// A public key that nobody has.
fn new_public_key() -> Result<String> {
    Ok(PrivateKey::generate()?.public_key().to_string())
}
