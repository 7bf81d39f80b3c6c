//! nftables, by its own program `nft`; and what the host's firewall does with packets that nothing in it speaks of.
//!
//! Only chains that would swallow the tunnel's packets matter here: those of a hook whose policy, or last rule, drops
//! all, in a table where no rule names what belongs to the tunnel.

#![expect(unsafe_code, reason = "what a child does before it becomes a program has no safe wrapper")]

mod ruleset;

use std::fmt;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::process::{Signal, set_parent_process_death_signal};

pub use ruleset::Ruleset;

use crate::network::FilterTable;

/// Where in the kernel a chain hangs (`nft(8)`, "Chains").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// What is for this host.
    Input,
    /// What passes through it.
    Forward,
}

/// Whose rules they are, by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Ubuntu's `ufw`.
    Ufw,
    /// Red Hat's `firewalld`.
    Firewalld,
    /// `ip6tables` or `iptables`, Docker's among them.
    Iptables,
    /// Rules written for `nft`.
    Nftables,
}

/// A chain that drops what none of its rules lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// `ip`, `ip6` or `inet`.
    pub family: String,
    /// Its table's name.
    pub table: String,
    /// Its own name.
    pub chain: String,
    /// Whose it is.
    pub owner: Owner,
}

impl fmt::Display for Obstacle {
    /// `table inet filter, chain forward`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {} {}, chain {}", self.family, self.table, self.chain)
    }
}

/// All rules of this network namespace.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] where there is no `nft`; else what `nft` says, as to one who may not ask.
pub fn list_ruleset() -> io::Result<Ruleset> {
    Ruleset::parse(run_nft(&["--json", "list", "ruleset"], "")?.as_bytes())
}

/// Whether this kernel takes such a table; nothing is changed.
///
/// # Errors
/// As [`list_ruleset`].
pub fn check_table(table: &FilterTable) -> io::Result<()> {
    run_nft(&["--check", "-f", "-"], &table.to_string()).map(drop)
}

/// Runs `nft` with these arguments and that input, and returns what it prints.
///
/// # Errors
/// As [`list_ruleset`].
pub(crate) fn run_nft(arguments: &[&str], input: &str) -> io::Result<String> {
    // Not every shell that is no login shell looks where administrators' programs are.
    let places = ["/usr/sbin/nft", "/sbin/nft"];
    let program = places.into_iter().find(|place| Path::new(place).exists()).unwrap_or("nft");
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    end_with_us(&mut command);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that reads nothing says by its exit status what was wrong.
        let _unread = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("nft: {}", said.lines().next().unwrap_or("it failed").trim())))
}

/// What is killed may not change the host any more after that: whoever restores it would not see it.
fn end_with_us(command: &mut Command) {
    // SAFETY: one system call, which touches no memory.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
}

/// The number of the kernel's ruleset in this network namespace, which every change of any table raises; `None`
/// where it cannot be had (`NFT_MSG_GETGEN` of `linux/netfilter/nf_tables.h`).
pub(crate) fn generation() -> Option<u32> {
    const SUBSYSTEM: u16 = 10 << 8;
    const GET: u16 = SUBSYSTEM | 16;
    const NEW: u16 = SUBSYSTEM | 15;
    const REQUEST: u16 = 1;
    const ID: u16 = 1;
    // `nlmsghdr` and `nfgenmsg`, whose four bytes are the family, the version and a resource: all zero.
    const LENGTH: u32 = 20;
    let mut request = Vec::new();
    request.extend(LENGTH.to_ne_bytes());
    request.extend(GET.to_ne_bytes());
    request.extend(REQUEST.to_ne_bytes());
    request.resize(LENGTH as usize, 0);
    let mut socket = Socket::new(NETLINK_NETFILTER).ok()?;
    socket.bind_auto().ok()?;
    socket.send_to(&request, &SocketAddr::new(0, 0), 0).ok()?;
    let (answer, _) = socket.recv_from_full().ok()?;
    let half = |at: usize| Some(u16::from_ne_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    if half(4)? != NEW {
        return None;
    }
    let mut at = LENGTH as usize;
    while let (Some(length), Some(kind)) = (half(at), half(at + 2)) {
        if kind == ID {
            return Some(u32::from_be_bytes(answer.get(at + 4..at + 8)?.try_into().ok()?));
        }
        at += usize::from(length).next_multiple_of(4).max(4);
    }
    None
}
