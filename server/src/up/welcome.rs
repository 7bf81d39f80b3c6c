//! The first `up` of a server: it invites somebody by itself, so that one line is all there is to carry to the PC.

use super::serve::Server;
use crate::command::invite;
use crate::config::Config;
use crate::order::Order;
use anyhow::Result;
use std::env;
use std::io::{self, Write};
use tracing::{info, warn};
use v6tun_keys::Invitation;

/// What the first PC is called.
const FIRST_NAME: &str = "pc";
/// Set by systemd(1) for a service that tells it when it is ready, as ours does.
const NOTIFY_VARIABLE: &str = "NOTIFY_SOCKET";
/// `device:inode` of what systemd(1) has connected to the journal, where an invitation must not stand (systemd.exec(5)).
const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";

fn is_service() -> bool {
    let is_journal = || {
        let out = rustix::fs::fstat(io::stdout()).ok()?;
        let journal = env::var(JOURNAL_VARIABLE).ok()?;
        Some(journal == format!("{}:{}", out.st_dev, out.st_ino))
    };
    env::var_os(NOTIFY_VARIABLE).is_some() || is_journal().unwrap_or(false)
}

fn show(invitation: &Invitation) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\nOn the PC, once and within 24 hours:\n")?;
    out.write_all(invite::line(invitation).as_bytes())?;
    writeln!(out)?;
    out.flush()
}

impl Server<'_> {
    /// Invites the first client of a server that never had one, on standard output and nowhere else.
    pub(super) fn welcome_the_first(&mut self, config: &Config) {
        if !self.roster.is_fresh() {
            if let Some(name) = self.roster.awaited() {
                info!(
                    "{name} is invited and has not come yet: `v6tun-server invite {name}` prints a new line"
                );
            }
            return;
        }
        if config.endpoint.is_none() {
            info!(
                "nobody is a client yet: write endpoint = \"…\" into {}; then `v6tun-server invite NAME`",
                config.path.display()
            );
            return;
        }
        if is_service() {
            info!("nobody is a client yet: `v6tun-server invite NAME` prints what to type on a PC");
            return;
        }
        if let Err(error) = self.invite_the_first(config) {
            warn!("nobody is invited: {error:#}");
        }
    }

    fn invite_the_first(&mut self, config: &Config) -> Result<()> {
        let invitation = invite::make(config, None, invite::LIFETIME)?;
        let order = Order::Invite(invite::described(&invitation, FIRST_NAME));
        let (_, effect) = self.roster.carry_out(order)?;
        self.tell_of(effect);
        if let Err(error) = show(&invitation) {
            // Nobody has read it.
            self.roster.carry_out(Order::Withdraw(invitation.id.to_string()))?;
            return Err(error.into());
        }
        Ok(())
    }
}
