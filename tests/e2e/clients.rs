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

use anyhow::Result;
use v6tun_keys::PrivateKey;
use v6tun_tests::lab::{Lab, Process};
use v6tun_tests::product::{FreshServer, Installation};

/// A fresh server, and the pc and the laptop enrolled at it by invitation and connected.
struct Scene<'a> {
    lab: &'a Lab,
    server: FreshServer,
    pc: Installation,
    laptop: Installation,
    connected: [Process; 2],
}

impl<'a> Scene<'a> {
    fn set(lab: &'a Lab) -> Result<Self> {
        let server = FreshServer::up(lab)?;
        let (pc, pc_process) = server.enrol(lab, &lab.pc, "pc")?;
        let (laptop, laptop_process) = server.enrol(lab, &lab.laptop, "laptop")?;
        Ok(Self { lab, server, pc, laptop, connected: [pc_process, laptop_process] })
    }

    /// A server's command that must succeed.
    fn must(&self, subcommand: &str) -> Result<String> {
        self.server.installation.must(subcommand)
    }

    /// Kills the server as a crash would, and starts it again.
    fn crash_and_restart(&mut self) -> Result<()> {
        self.server.process.kill()?;
        self.server.process = self.server.installation.up()?;
        Ok(())
    }
}

/// A public key that nobody has.
fn new_public_key() -> Result<String> {
    Ok(PrivateKey::generate()?.public_key().to_string())
}
