//! The administrator who types `up` over SSH, over the very uplink that is changed, must not lock themselves out: unless
//! the connection proves alive after the changes, or a key is pressed, everything is undone.

use crate::ROLE;
use crate::uplink::Uplink;
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};
use v6tun_cli::Failure;
use v6tun_host::socket_use::{SocketState, bound_sockets};

/// How long the connection may take: TCP repeats what is lost after 0.2, 0.6, 1.4, 3, 6.2 and 12.6 s.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Bytes that the other end of each connection has acknowledged.
type Acknowledged = BTreeMap<(SocketAddr, SocketAddr), u64>;

/// SSH connections over the uplink, of which one has to prove alive.
#[derive(Debug)]
pub(crate) struct ComeBack {
    addresses: Vec<Ipv6Addr>,
    /// As it stood after the changes.
    before: Acknowledged,
    until: Instant,
    /// `None`: nobody can press one any more.
    key: Option<oneshot::Receiver<()>>,
}

impl ComeBack {
    /// To be called after the changes. `None` where nobody sits at a terminal, or came by no SSH over the uplink.
    pub(crate) fn arm(uplink: &Uplink) -> Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let addresses: Vec<Ipv6Addr> = uplink.addresses.iter().map(|entry| entry.address).collect();
        let before = acknowledged(&addresses)?;
        let Some((_, remote)) = before.keys().next() else { return Ok(None) };
        say(&format!(
            "SSH from {} uses {}: if it does not live through the changes all is undone in {} s; Enter keeps them, and \
             `--no-safety` does not ask",
            remote.ip(),
            uplink.link.name,
            PATIENCE.as_secs()
        ));
        Ok(Some(Self { addresses, before, until: Instant::now() + PATIENCE, key: Some(pressed_key()) }))
    }

    /// Returns once the changes may stay. It may be dropped and called again.
    ///
    /// # Errors
    /// When the time is over.
    pub(crate) async fn proof(&mut self) -> Result<()> {
        let proof = tokio::select! {
            () = is_pressed(&mut self.key) => "you say so",
            outcome = has_progressed(&self.addresses, &self.before) => {
                outcome?;
                "the SSH connection lives"
            }
            () = sleep_until(self.until) => return Err(locked_out()),
        };
        say(&format!("{proof}: the changes stay"));
        Ok(())
    }
}

/// Returns when an end has acknowledged more: what this program prints goes there itself.
async fn has_progressed(addresses: &[Ipv6Addr], before: &Acknowledged) -> Result<()> {
    loop {
        let now = acknowledged(addresses)?;
        let is_more = |(ends, then): (&_, &u64)| now.get(ends).is_some_and(|now| now > then);
        if before.iter().any(is_more) {
            return Ok(());
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn acknowledged(addresses: &[Ipv6Addr]) -> Result<Acknowledged> {
    let sockets = bound_sockets(addresses).context("look for SSH connections over the uplink")?;
    let alive =
        sockets.into_iter().filter(|socket| socket.is_ssh && socket.state == SocketState::Established);
    Ok(alive.filter_map(|socket| Some(((socket.local, socket.remote?), socket.bytes_acked?))).collect())
}

/// Tells of a line on the terminal, until nobody wants to know any more.
fn pressed_key() -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        while !tell.is_closed() {
            match is_waiting() {
                Some(true) => {}
                Some(false) => continue,
                None => return,
            }
            let mut line = String::new();
            if io::stdin().read_line(&mut line).is_ok_and(|length| length > 0) {
                // Whoever waited may have had the other proof.
                let _late = tell.send(());
            }
            return;
        }
    });
    told
}

/// Whether there is something to read, after a moment at the most; `None`: there is no terminal to ask. To a shell's
/// background nothing is there: who reads from it is stopped (termios(3), `SIGTTIN`), and the server with it.
fn is_waiting() -> Option<bool> {
    let terminal = io::stdin();
    let moment = Timespec::try_from(LOOK_AGAIN).ok()?;
    if tcgetpgrp(&terminal).ok()? != getpgrp() {
        std::thread::sleep(LOOK_AGAIN);
        return Some(false);
    }
    let mut asked = [PollFd::new(&terminal, PollFlags::IN)];
    let ready = poll(&mut asked, Some(&moment)).ok()?;
    // It may have been sent to the background meanwhile.
    Some(ready > 0 && tcgetpgrp(&terminal).ok()? == getpgrp())
}

/// Never, where the terminal is closed.
async fn is_pressed(key: &mut Option<oneshot::Receiver<()>>) {
    if let Some(told) = key {
        let is_pressed = told.await.is_ok();
        *key = None;
        if is_pressed {
            return;
        }
    }
    std::future::pending().await
}

fn locked_out() -> anyhow::Error {
    Failure::failed(format!(
        "the SSH connection gave no sign of life for {} s: all is undone",
        PATIENCE.as_secs()
    ))
    .with_hint("`up --dry-run` shows the changes; `up --no-safety` makes them all the same")
    .into()
}

/// Where standard error is closed nobody is left to be told.
fn say(line: &str) {
    let _unheard = writeln!(io::stderr(), "{}: {line}", ROLE.program);
}
