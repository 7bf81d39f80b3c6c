//! What the tests of the clients begin with.

use anyhow::Result;
use v6tun_tests::lab::{Lab, Process};
use v6tun_tests::product::{FreshServer, Installation};

/// A fresh server, and the pc and the laptop enrolled at it by invitation and connected.
pub(super) struct Scene<'a> {
    pub(super) lab: &'a Lab,
    pub(super) server: FreshServer,
    pub(super) pc: Installation,
    pub(super) laptop: Installation,
    pub(super) connected: [Process; 2],
}

impl<'a> Scene<'a> {
    pub(super) fn set(lab: &'a Lab) -> Result<Self> {
        let server = FreshServer::up(lab)?;
        let (pc, pc_process) = server.enrol(lab, &lab.pc, "pc")?;
        let (laptop, laptop_process) = server.enrol(lab, &lab.laptop, "laptop")?;
        Ok(Self { lab, server, pc, laptop, connected: [pc_process, laptop_process] })
    }

    /// A server's command that must succeed.
    pub(super) fn must(&self, subcommand: &str) -> Result<String> {
        self.server.installation.must(subcommand)
    }

    /// Kills the server as a crash would, and starts it again.
    pub(super) fn crash_and_restart(&mut self) -> Result<()> {
        self.server.process.kill()?;
        self.server.process = self.server.installation.up()?;
        Ok(())
    }
}
