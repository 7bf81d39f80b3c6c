//! What the host's firewall does with packets that nothing in it speaks of: `nft --json list ruleset`, read.
//!
//! Only chains that would swallow the tunnel's packets matter here: those of a hook whose policy, or last rule, drops
//! all, in a table where no rule names what belongs to the tunnel.

mod ruleset;

use std::fmt;
use std::io;
use std::process::Command;

pub use ruleset::Ruleset;

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
    let output = Command::new("nft").args(["--json", "list", "ruleset"]).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(said));
    }
    Ruleset::parse(&output.stdout)
}
